/**
 * A question to a human, with a deadline. While it is open no process has to run: the first Flujo asks and is closed, the
 * second one answers. A wrong answer is refused, and silence is never a yes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flow, Flujo } from "flujo";
import { z } from "zod";

const refund = flow("refund", { version: "1" })
  .input(z.object({ customer: z.string(), euros: z.number() }))
  .human("approve", {
    message: ({ customer, euros }) => `Refund ${euros} € to ${customer}?`,
    answer: z.object({ ok: z.boolean(), by: z.string() }),
    deadline: ({ euros }) => (euros > 100 ? "2 days" : "200ms"),
    onTimeout: () => ({ ok: false, by: "nobody" }),
  })
  .switch("decide", ({ ok }) => (ok ? "pay" : "decline"), {
    pay: (b) => b.step("pay", ({ by }) => `paid, approved by ${by}`),
    decline: (b) => b.step("decline", ({ by }) => `declined by ${by}`),
  })
  .build();

const folder = mkdtempSync(join(tmpdir(), "flujo-approval-"));
const options = { store: `sqlite:${join(folder, "refunds.db")}`, flows: [refund] };
try {
  {
    await using flujo = new Flujo(options);
    const result = await flujo.run(refund, { customer: "Ada", euros: 250 }, { id: "refund-1" });
    console.log(`refund-1 is ${result.status}`);
  }
  {
    await using flujo = new Flujo(options);
    const { pauses } = await flujo.get("refund-1");
    for (const { question, token } of pauses)
      console.log(`a new process reads the question: ${String(question)} (${token})`);
    await flujo.resume("refund-1", "sure").catch((error: unknown) => console.log(String(error)));
    const result = await flujo.resume("refund-1", { ok: true, by: "Grace" });
    console.log("refund-1:", result.status === "completed" ? result.output : result);

    const small = await flujo.start(refund, { customer: "Alan", euros: 5 }, { id: "refund-2" });
    console.log("refund-2, which nobody answers:", await small.output());
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
