/**
 * A research agent that survives a crash at any point: every turn and every tool call is recorded once. It may spend five cents,
 * and it asks before it writes anything.
 *
 *   npm run build && npx tsx examples/08-research-agent.ts
 *   FLUJO_EXAMPLE_MODEL=openai:gpt-4o-mini OPENAI_API_KEY=… npx tsx examples/08-research-agent.ts
 */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { agent, type ApprovalQuestion, Flujo, flow, type RunResult, scriptedModel, tool } from "flujo";
import { z } from "zod";

const DATA = fileURLToPath(new URL("data", import.meta.url));
const texts = async (): Promise<string[]> => (await readdir(DATA)).filter((name) => name.endsWith(".txt"));

const search = tool({
  name: "search",
  description: "Finds the paragraphs of the library in which a word occurs.",
  input: z.object({ word: z.string() }),
  run: async ({ word }) => {
    const found: { text: string; paragraph: string }[] = [];
    for (const name of await texts()) {
      const paragraphs = (await readFile(join(DATA, name), "utf8")).split(/\n\s*\n/);
      const hit = paragraphs.find((one) => one.toLowerCase().includes(word.toLowerCase()));
      if (hit !== undefined) found.push({ text: name, paragraph: hit.replace(/\s+/g, " ").slice(0, 200) });
    }
    return found;
  },
});

const reports: string[] = [];
const publish = tool({
  name: "publish",
  description: "Publishes a report. A person has to approve it.",
  input: z.object({ title: z.string(), body: z.string() }),
  requiresApproval: true,
  requiresIdempotencyKey: true,
  run: ({ title }, { idempotencyKey }) => {
    reports.push(title);
    return { published: title, receipt: idempotencyKey.slice(0, 8) };
  },
});

/** What a model would say, so that this runs without a key. */
const script = scriptedModel(
  [
    { calls: [{ name: "search", arguments: { word: "whale" } }] },
    {
      calls: [
        { name: "search", arguments: { word: "liberty" } },
        { name: "search", arguments: { word: "tea" } },
      ],
    },
    { calls: [{ name: "publish", arguments: { title: "Whales, liberty and tea", body: "They all occur." } }] },
    { json: { title: "Whales, liberty and tea", sources: 3 } },
  ],
  { price: { input: 150_000, output: 600_000 } },
);

const researcher = agent({
  name: "researcher",
  model: process.env["FLUJO_EXAMPLE_MODEL"] ?? script,
  instructions: "You research in a small library of old texts. Search, then publish one short report, then answer.",
  prompt: (topic: string) => `What does the library have on ${topic}?`,
  tools: [search, publish],
  output: z.object({ title: z.string(), sources: z.number() }),
});

const research = flow("research", { version: "1" })
  .input<string>()
  .agent("research", researcher, { granular: true, maxTurns: 10, enforceIdempotency: true })
  .build();

await using flujo = new Flujo({ store: "memory:", flows: [research], limits: { costUsd: 0.05, toolCalls: 20 } });
let result: RunResult = await flujo.run(research, "whales, liberty and tea");
while (result.status === "paused") {
  const [pause] = result.pauses;
  if (pause === undefined) break;
  const { tool: name, arguments: given, hash } = pause.question as ApprovalQuestion;
  console.log(`approve ${name} ${JSON.stringify(given)}? yes`);
  result = await flujo.resume(result.runId, { approve: true, hash }, { token: pause.token });
}
if (result.status !== "completed") throw new Error(`the research ${result.status}`);
const { costUsd, requests, toolCalls } = await flujo.usage(result.runId);
console.log("answer   ", result.output);
console.log("published", reports);
console.log(`spent     $${costUsd.toFixed(6)} in ${requests} model calls and ${toolCalls} tool calls`);

const replayed = await flujo.replayFromTrace(result.runId, research);
console.log(
  `replayed  ${replayed.steps.length} steps offline, ${replayed.identical ? "byte for byte the same" : "with differences"}`,
);
if (!replayed.identical) throw new Error(replayed.differences.join("\n"));
