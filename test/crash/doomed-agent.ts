import { Flujo } from "flujo";
import type { FaultPoint } from "../../src/testing.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { agentFlow, BUDGETS, type Moment } from "./agent-flow.ts";
import { SHORT_LEASE } from "./flows.ts";

/** A process that runs an agent until it dies, or stands still, at a moment: `doomed-agent.ts '{ store, ledger, point, at }'`. */
export interface AgentDoom {
  readonly store: Address;
  readonly ledger: string;
  readonly point: FaultPoint | Moment;
  /** When it comes there for this time. */
  readonly at: number;
  /** Instead of dying it says "there", and goes on when it is told. */
  readonly waits?: true;
  readonly maxDeliveries?: number;
}

const doom: AgentDoom = JSON.parse(process.argv[2] ?? "{}") as AgentDoom;
const { maxDeliveries } = doom;
let came = 0;
const reached = async (here: FaultPoint | Moment): Promise<void> => {
  if (here !== doom.point || ++came !== doom.at) return;
  if (doom.waits !== true) process.kill(process.pid, "SIGKILL");
  const told = new Promise((resolve) => process.stdin.once("data", resolve));
  console.log("there");
  await told;
  process.stdin.destroy();
};
const speak = agentFlow({ ledger: doom.ledger, at: reached });
await using store = await openAt(doom.store);
await using flujo = new Flujo({
  store,
  flows: [speak],
  worker: { ...SHORT_LEASE, ...(maxDeliveries && { maxDeliveries }) },
  ...BUDGETS,
  at: reached,
});
const { runId } = await flujo.start(speak, "go", { id: "speak" });
await flujo.result(runId, { until: "end" });
