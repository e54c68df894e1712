/**
 * Messages from outside, and time. Signals that come early are kept, and one that comes twice under the same id counts once.
 * A sleep is a row with a due time: it costs no process, and its end is fixed when it begins.
 */
import { flow, Flujo } from "flujo";
import { z } from "zod";

const order = flow("order", { version: "1" })
  .waitForSignal("payment", "paid", { schema: z.object({ euros: z.number() }), deadline: "1 day" })
  .step("pack", ({ euros }) => `a parcel worth ${euros} €`)
  .sleep("rest", "300ms")
  .waitForAnySignal(
    "next",
    { pickedUp: z.object({ by: z.string() }), cancelled: null },
    { deadline: "100ms", onTimeout: () => ({ name: "nothing" as const, data: null }) },
  )
  .step("end", ({ name, data }) => (name === "pickedUp" ? `picked up by ${data.by}` : `ended by ${name}`))
  .build();

await using flujo = new Flujo({ store: "memory:", flows: [order] });

const { runId } = await flujo.start(order, null);
console.log("paid:", await flujo.signal(runId, "paid", { euros: 40 }, { id: "payment-77" }));
console.log("paid, the same message again:", await flujo.signal(runId, "paid", { euros: 40 }, { id: "payment-77" }));
console.log("pickedUp, while it sleeps:", await flujo.signal(runId, "pickedUp", { by: "Ada" }));
await flujo.signal(runId, "piad", {}).catch((error: unknown) => console.log(String(error)));

const first = await flujo.result(runId, { until: "end" });
console.log("first order:", first.status === "completed" ? first.output : first);

const second = await flujo.start(order, null);
console.log("second order, before it is paid:", (await second.result()).status);
await second.signal("paid", { euros: 15 });
console.log("second order, never picked up:", await second.output());
