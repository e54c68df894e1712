import { signalNameOf } from "../domain/event.ts";
import { invariant } from "../domain/result.ts";
import { type Schema, validate } from "../domain/schema.ts";
import { decode, encode } from "../domain/wire.ts";
import type { Resident } from "../engine/resident.ts";
import type { MessageRecord } from "../ports/store.ts";
import type { ChildEnd, Happened } from "../planner/planning.ts";
import { outOfTime } from "../planner/step.ts";

/** What a fiber that was just claimed has to be told: what came for it while nobody held it. Undefined = its step is to run. */
export async function adoptionEvent(resident: Resident, now: number): Promise<Happened | undefined> {
  const { fiber, messages } = resident;
  const { doing } = fiber;
  switch (doing.kind) {
    case "new":
    case "decide": // a call or wait that is to be opened anew, in a revived run
      return { type: "began" };
    case "step":
    case "undo":
      return outOfTime(fiber, now) ? { type: "due" } : undefined;
    case "wait": {
      const [first] = messages;
      return first === undefined ? { type: "due" } : answer(resident, first);
    }
    case "join":
    case "call":
      return messages.length === 0 ? { type: "due" } : { type: "children.ended", ends: messages.map(childEnd) };
    case "gather":
    case "collect":
    case "starting":
    case "finish":
    case "ended":
      return invariant(false, `a fiber that is to ${doing.kind} is not claimed`) as never;
  }
}

const childEnd = ({ seq, data }: MessageRecord): ChildEnd => ({ ...(data as unknown as Omit<ChildEnd, "seq">), seq });

/** Checks an answer or a signal against its schema. A wrong one is consumed, recorded as rejected, and the wait goes on. */
async function answer(resident: Resident, { seq, id = "", name, data }: MessageRecord): Promise<Happened> {
  const { doing } = resident.fiber;
  invariant(doing.kind === "wait", "an answer is for a wait");
  const node = resident.definition.nodes.get(doing.path);
  invariant(node?.kind === "wait", `${doing.path} is a wait`);
  const signal = signalNameOf(name);
  const schema: Schema | undefined =
    node.wait.kind === "human" ? node.wait.answer : node.wait.kind === "signal" ? node.wait.schemas[signal] : undefined;
  const message = { seq, id, name: signal };
  const asked = node.wait.kind === "human" ? node.wait : undefined;
  const named = node.wait.kind === "signal" && node.wait.named;
  if (schema === undefined && asked?.check === undefined && asked?.take === undefined)
    return { type: "answered", message, output: named ? { name: signal, data } : data };
  try {
    const checked =
      schema === undefined ? { ok: true as const, value: decode(data) } : await validate(schema, decode(data));
    if (!checked.ok) return { type: "answer.rejected", message, issues: checked.issues };
    const why = asked?.check?.(checked.value, decode(doing.question ?? null));
    if (why !== undefined) return { type: "answer.rejected", message, issues: [{ path: "$", message: why }] };
    const taken = asked?.take === undefined ? checked.value : asked.take(checked.value, decode(resident.fiber.value));
    const value = encode(taken);
    return { type: "answered", message, output: named ? { name: signal, data: value } : value };
  } catch (thrown) {
    return {
      type: "answer.rejected",
      message,
      issues: [{ path: "$", message: `the schema itself failed: ${String(thrown)}` }],
    };
  }
}
