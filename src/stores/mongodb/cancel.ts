import { ROOT_FIBER } from "../../domain/ids.ts";
import { storable } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import type { Image, Row } from "./image.ts";
import { wake } from "./mailbox.ts";
import type { Runs } from "./runs.ts";

export function requestCancel(row: Row, reason: string, now: number): void {
  if (row.fields.ended !== undefined) return;
  if (row.fields.cancel === undefined) row.write({ cancel: reason });
  wake(row, now);
}

export function requestCancelOfRun(image: Image, reason: string, now: number): "requested" | "ended" {
  if (image.ended) return "ended";
  if (image.fields.cancelReason === undefined) image.write({ cancelReason: reason });
  const root = image.rows.get(ROOT_FIBER);
  if (root !== undefined) requestCancel(root, reason, now);
  return "requested";
}

export async function cancelRun(
  base: Base,
  runs: Runs,
  run: string,
  reason: string,
): Promise<"requested" | "ended" | "unknown"> {
  const answers = await runs.change({
    runs: [run],
    needs: () => ({}),
    decide: (image, _run, now) => (image === undefined ? "unknown" : requestCancelOfRun(image, storable(reason), now)),
  });
  const answer = answers.get(run) ?? "unknown";
  if (answer === "requested") base.hints.tell(true, [run]);
  return answer;
}
