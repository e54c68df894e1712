/**
 * Answers from a library: texts are cut and remembered in a map, questions are answered from what comes nearest to them, and an
 * answer that was given before is given again without a model.
 *
 *   npm run build && npx tsx examples/10-rag-with-cache.ts
 *   FLUJO_EXAMPLE_MODEL=openai:gpt-4o-mini FLUJO_EXAMPLE_EMBEDDER=openai:text-embedding-3-small OPENAI_API_KEY=… \
 *     npx tsx examples/10-rag-with-cache.ts
 */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { agent, type Embedder, Flujo, flow, memoryOf, memoryVectors, rolePlay } from "flujo";
import { z } from "zod";

const DATA = fileURLToPath(new URL("data", import.meta.url));
const DIMENSIONS = 512;

/** Words as directions, so that this runs without a key: texts that share words are near each other. */
const byWords: Embedder = {
  provider: "local",
  id: "words",
  dimensions: DIMENSIONS,
  embed: (texts) =>
    Promise.resolve({ vectors: texts.map(directionOf), usage: { inputTokens: texts.join(" ").length } }),
};

function directionOf(text: string): number[] {
  const vector = Array.from({ length: DIMENSIONS }, () => 0);
  for (const word of text.toLowerCase().match(/[a-z]{4,}/g) ?? ["nothing"]) {
    let hash = 7;
    for (const character of word) hash = (hash * 31 + character.charCodeAt(0)) % DIMENSIONS;
    vector[hash] = (vector[hash] ?? 0) + 1;
  }
  return vector;
}

const index = flow("index", { version: "1" })
  .step("list", async () => (await readdir(DATA)).filter((name) => name.endsWith(".txt")))
  .map("texts", (b) =>
    b
      .step("cut", async (name) => {
        const paragraphs = (await readFile(join(DATA, name), "utf8")).split(/\n\s*\n/);
        return paragraphs
          .filter((one) => one.length > 200)
          .slice(0, 40)
          .map((text) => ({ name, text }));
      })
      .step("remember", async (pieces, ctx) => {
        const entries = pieces.map(({ name, text }) => ({ text, metadata: { name } }));
        return (await memoryOf(ctx).rememberAll(entries)).length;
      }),
  )
  .step("count", (counts) => counts.reduce((sum, one) => sum + one, 0))
  .build();

const nameIn = (metadata: Readonly<Record<string, unknown>>): string =>
  typeof metadata["name"] === "string" ? metadata["name"] : "";

interface Asked {
  readonly question: string;
  readonly found: readonly { readonly name: string; readonly text: string }[];
}

/** What a model would say: the name of the text that was found first. */
const script = rolePlay([
  {
    say: ({ messages }) => {
      const shown = JSON.stringify(messages);
      return {
        json: { answer: "It is told in the first of these texts.", source: /\[([\w.-]+\.txt)\]/.exec(shown)?.[1] },
      };
    },
  },
]);

const librarian = agent({
  name: "librarian",
  model: process.env["FLUJO_EXAMPLE_MODEL"] ?? script,
  instructions: "Answer from the texts you are shown, in one sentence, and name your source.",
  prompt: ({ question, found }: Asked) =>
    `${found.map(({ name, text }) => `[${name}]\n${text}`).join("\n\n")}\n\nQuestion: ${question}`,
  output: z.object({ answer: z.string(), source: z.string() }),
});

const ask = flow("ask", { version: "1" })
  .input<string>()
  .step("retrieve", async (question, ctx): Promise<Asked> => {
    const matches = await memoryOf(ctx).retrieve(question, { limit: 3 });
    return {
      question,
      found: matches.map(({ text = "", metadata }) => ({ name: nameIn(metadata), text: text.slice(0, 500) })),
    };
  })
  .agent("answer", librarian, { cache: { scope: "store", ttl: "1 day" } })
  .build();

const embedder = process.env["FLUJO_EXAMPLE_EMBEDDER"] ?? byWords;
await using flujo = new Flujo({
  store: "memory:",
  flows: [index, ask],
  memory: { store: memoryVectors(), embedder },
  limits: { requests: 100 },
});
const indexed = await flujo.run(index, null);
console.log("remembered", indexed.status === "completed" ? `${indexed.output} paragraphs` : indexed);

for (const question of ["Who hunts the white whale?", "Who hunts the white whale?", "Who poured tea at the table?"]) {
  const result = await flujo.run(ask, question);
  if (result.status !== "completed") throw new Error(JSON.stringify(result));
  const { requests } = await flujo.usage(result.runId);
  console.log(`${question}\n  ${result.output.source} (model calls: ${requests - 1})`); // one request embeds the question
  const replayed = await flujo.replayFromTrace(result.runId, ask);
  if (!replayed.identical) throw new Error(replayed.differences.join("\n"));
}
