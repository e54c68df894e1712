/**
 * A support assistant: its state is in the run's context, a person answers whenever they like, and what identifies people never
 * reaches the model: it reads [EMAIL_x…], while the context and the tools have the address itself.
 *
 *   npm run build && npx tsx examples/09-support-assistant.ts
 *   FLUJO_EXAMPLE_MODEL=openai:gpt-4o-mini OPENAI_API_KEY=… npx tsx examples/09-support-assistant.ts
 */
import { agent, Flujo, flow, type Message, piiScrub, rolePlay, type RunResult, tool, Veil } from "flujo";
import { z } from "zod";

const conversation = z.object({
  customer: z.string().default(""),
  turns: z.array(z.object({ role: z.enum(["customer", "assistant"]), text: z.string() })).default([]),
});

const sent: string[] = [];
const sendReceipt = tool({
  name: "send_receipt",
  description: "Sends the customer a receipt by e-mail.",
  input: z.object({ to: z.string(), order: z.string() }),
  run: ({ to, order }) => {
    sent.push(to);
    return `receipt of ${order} sent`;
  },
});

/** The last thing that looks like a placeholder in what the model was shown. */
const placeholderIn = (messages: readonly Message[]): string =>
  JSON.stringify(messages)
    .match(/\[EMAIL_x[0-9a-f]+\]/g)
    ?.at(-1) ?? "nobody";

/** What the model was shown, to prove what it was not. */
const shown: string[] = [];
const script = rolePlay([
  {
    when: /receipt/i,
    say: ({ messages }) => {
      shown.push(JSON.stringify(messages));
      return { calls: [{ name: "send_receipt", arguments: { to: placeholderIn(messages), order: "A-17" } }] };
    },
  },
  { after: "send_receipt", say: ({ messages }) => `I have sent the receipt to ${placeholderIn(messages)}.` },
  { when: /bye/i, say: "Goodbye!" },
  { say: "How can I help?" },
]);

interface Asked {
  readonly customer: string;
  readonly text: string;
}

const assistant = agent({
  name: "assistant",
  model: process.env["FLUJO_EXAMPLE_MODEL"] ?? script,
  instructions: "You are the assistant of a small shop. Be brief.",
  prompt: ({ customer, text }: Asked) => `${text}\n\n(The customer's address is ${customer}.)`,
  tools: [sendReceipt],
});

const support = flow("support", { version: "1" })
  .input(z.object({ customer: z.string() }))
  .context(conversation)
  .step("greet", ({ customer }, { context }) => {
    context.customer = customer;
    return "Hello! What can I do for you?";
  })
  .loop(
    "talk",
    (b) =>
      b
        .human("customer", { message: (said) => said, answer: z.string().min(1), deadline: "1 day" })
        .step("hear", (text, { context }): Asked => {
          context.turns.push({ role: "customer", text });
          return { customer: context.customer, text };
        })
        .agent("assistant", assistant, { granular: true })
        .step("remember", (text, { context }) => {
          context.turns.push({ role: "assistant", text });
          return text;
        }),
    { until: (said) => said.startsWith("Goodbye"), max: 50 },
  )
  .step("transcript", (_, { context }) => context.turns)
  .build();

await using flujo = new Flujo({
  store: "memory:",
  flows: [support],
  limits: { requests: 100 },
  governance: [piiScrub({ veil: new Veil(), mode: "model" })],
});

const says = ["My receipt is missing, please send it again", "bye"];
let result: RunResult = await flujo.run(support, { customer: "ada@example.org" });
while (result.status === "paused") {
  const [pause] = result.pauses;
  const answer = says.shift();
  if (pause === undefined || answer === undefined) break;
  console.log(`assistant: ${String(pause.question)}\ncustomer:  ${answer}`);
  result = await flujo.resume(result.runId, answer, { token: pause.token });
}
if (result.status !== "completed") throw new Error(`the conversation ${result.status}`);
console.log("transcript", result.output);
console.log("sent to   ", sent);
if (shown.some((text) => text.includes("ada@example.org"))) throw new Error("the model was shown an address");

const replayed = await flujo.replayFromTrace(result.runId, support);
console.log(`replayed   ${replayed.identical ? "offline, byte for byte the same" : replayed.differences.join("\n")}`);
if (!replayed.identical) throw new Error("the conversation went another way");
