import { sha256 } from "../domain/sha256.ts";
import type { Wire } from "../domain/wire.ts";
import type { ItemStore } from "../ports/items.ts";
import type { ShadowSample } from "./sample.ts";
import type { ShadowVerdict } from "./verdict.ts";

const COLLECTION = "evaluations";

/** What a judge said of a step, or of a run as a whole. */
export interface Evaluation {
  readonly runId: string;
  /** Path of the step, or `__run__`. */
  readonly step: string;
  /** 0 to 1. */
  readonly score: number;
  readonly feedback: string;
  readonly metadata: { readonly [key: string]: unknown };
  readonly createdAt: Date;
}

export interface EvaluationPage {
  readonly items: readonly Evaluation[];
  /** Pass as `cursor` for what follows; absent on the last page. */
  readonly next?: string;
}

export function evaluationOf(
  sample: ShadowSample,
  { score, reasoning, criteria }: ShadowVerdict,
  now: number,
): Evaluation {
  const { runId, step, visit, flow, success } = sample;
  return {
    runId,
    step,
    score,
    feedback: reasoning,
    metadata: { flow, visit, success, criteria },
    createdAt: new Date(now),
  };
}

/** One for each place of a run: what is judged again is replaced. The fields are those of the SQL view `evaluations`. */
export async function keepEvaluation(items: ItemStore, evaluation: Evaluation): Promise<void> {
  const { runId, step, metadata, createdAt } = evaluation;
  const key = `${runId}/${sha256(`${step}#${String(metadata["visit"])}`).slice(0, 16)}`;
  const value = { ...evaluation, createdAt: createdAt.getTime() } as unknown as Wire; // plain JSON by construction
  const [outcome] = await items.putItems([{ collection: COLLECTION, key, value }]);
  if (outcome?.status === "rejected") throw outcome.error;
}

/** In the order of the ids of their runs, which for generated ids is that of their starts. */
export async function listEvaluations(
  items: ItemStore,
  { runId, limit, cursor }: { readonly runId?: string; readonly limit: number; readonly cursor?: string },
): Promise<EvaluationPage> {
  const found = await items.listItems({
    collection: COLLECTION,
    limit,
    ...(runId !== undefined && { prefix: `${runId}/` }),
    ...(cursor !== undefined && { after: cursor }),
  });
  const next = found.length === limit ? found.at(-1)?.key : undefined;
  return {
    items: found.map(({ value }) => {
      const stored = value as unknown as Omit<Evaluation, "createdAt"> & { readonly createdAt: number };
      return { ...stored, createdAt: new Date(stored.createdAt) };
    }),
    ...(next !== undefined && { next }),
  };
}
