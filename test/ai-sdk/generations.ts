import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AiSdkEmbedder, AiSdkModel } from "../../src/ai-sdk.ts";
import { type Presence, presenceOf } from "../setup/requires.ts";

/** What `ai/test` of every generation offers, under the name of its specification. */
interface Mocks {
  readonly language: new (options: object) => AiSdkModel;
  readonly embedding: new (options: object) => AiSdkEmbedder;
}

export interface Generation {
  readonly name: string;
  readonly specification: "v2" | "v3" | "v4";
  /** Usage and the reason to finish, in its words. */
  readonly usage: (counts: Counts) => unknown;
  readonly finish: (reason: string) => unknown;
  readonly mocks: () => Promise<Mocks>;
}

export interface Counts {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number;
  readonly reasoning?: number;
}

/** Resolved by Node from this folder, whose packages are not part of the root install. */
async function mocksOf(alias: string, version: string): Promise<Mocks> {
  const specifier = `${alias}/test`;
  const module = (await import(specifier)) as Record<string, unknown>;
  return {
    language: module[`MockLanguageModel${version}`] as Mocks["language"],
    embedding: module[`MockEmbeddingModel${version}`] as Mocks["embedding"],
  };
}

const nested = ({ input, output, cacheRead, reasoning }: Counts): unknown => ({
  inputTokens: { total: input, noCache: input - (cacheRead ?? 0), cacheRead, cacheWrite: undefined },
  outputTokens: { total: output, text: output - (reasoning ?? 0), reasoning },
});
const unified = (reason: string): unknown => ({ unified: reason, raw: `raw-${reason}` });

export const GENERATIONS: readonly Generation[] = [
  {
    name: "ai 5",
    specification: "v2",
    usage: ({ input, output, cacheRead, reasoning }) => ({
      inputTokens: input,
      outputTokens: output,
      totalTokens: input + output,
      cachedInputTokens: cacheRead,
      reasoningTokens: reasoning,
    }),
    finish: (reason) => reason,
    mocks: () => mocksOf("ai5", "V2"),
  },
  { name: "ai 6", specification: "v3", usage: nested, finish: unified, mocks: () => mocksOf("ai6", "V3") },
  { name: "ai 7", specification: "v4", usage: nested, finish: unified, mocks: () => mocksOf("ai7", "V4") },
];

export const installed: Presence = await presenceOf("ai-sdk", async () =>
  ["ai5", "ai6", "ai7"].every((alias) => existsSync(join(import.meta.dirname, "node_modules", alias, "package.json"))),
);
