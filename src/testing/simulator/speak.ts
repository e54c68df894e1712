import type { Fact } from "../../domain/event.ts";
import type { ClaimRequest, FiberRef, LeasedFiber } from "../../ports/queue.ts";
import type { CommitOutcome, NewMessage, NewRun, Transition } from "../../ports/store.ts";
import type { Call } from "./faulty-store.ts";

/** A call in one line, for the trace. */
export function describeCall({ operation, arguments: args }: Call): string {
  switch (operation) {
    case "commit":
      return `commit ${(args[0] as readonly Transition[]).map(describeTransition).join("; ")}`;
    case "createRuns":
      return `createRuns ${(args[0] as readonly NewRun[]).map(({ id, flow, lease }) => `${id} of ${flow}${lease ? ` for ${lease.worker}` : ""}`).join(", ")}`;
    case "claim": {
      const { epoch, limit } = args[0] as ClaimRequest;
      return `claim ≤ ${limit} in epoch ${epoch}`;
    }
    case "signal": {
      const { run, name, id } = args[0] as NewMessage;
      return `signal ${run} ${name} (${id})`;
    }
    default:
      return `${operation} ${args.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join(" ")}`;
  }
}

function describeTransition({ run, fiber, expectedSeq, position, event, lease, consume, spawn }: Transition): string {
  const facts = (event?.facts as unknown as readonly Fact[] | undefined) ?? [];
  const told = facts.map((fact) => ("path" in fact ? `${fact.type} ${fact.path}#${fact.visit}` : fact.type)).join(", ");
  const at =
    position.kind === "parked"
      ? `parked on [${position.names.join(" ")}] until ${position.until ?? "ever"}`
      : position.kind;
  const more = `${consume.length > 0 ? ` consumes ${consume.join(" ")}` : ""}${spawn.length > 0 ? ` spawns ${spawn.length}` : ""}`;
  return `${run}/${fiber} seq ${expectedSeq} epoch ${lease.epoch} ${at}${more} {${told}}`;
}

export function describeAnswer(answer: unknown): string {
  if (!Array.isArray(answer)) return typeof answer === "string" ? answer : (JSON.stringify(answer) ?? "nothing");
  return answer
    .map((one: CommitOutcome | LeasedFiber | FiberRef) => {
      if ("deliveries" in one) return `${one.run}/${one.key} seq ${one.seq} delivery ${one.deliveries}`;
      if ("status" in one) return one.status === "committed" && one.woken ? "committed, woken" : one.status;
      return JSON.stringify(one);
    })
    .join("; ");
}
