import { createInterface } from "node:readline";
import { Flujo, FlujoError } from "flujo";
import { type Address, openAt } from "../setup/addresses.ts";
import { outer } from "./questions.ts";

/** A process that works and answers: "answer <run> <token> <item> <text>" is answered by "<text> ok" or "<text> <code>". */
export interface AnswererTask {
  readonly store: Address;
  readonly ledger: string;
}

const { store: address, ledger } = JSON.parse(process.argv[2] ?? "{}") as AnswererTask;
await using store = await openAt(address);
await using flujo = new Flujo({ store, flows: [outer], resources: { ledger } });
await flujo.open();
console.log("ready");
const open = new Set<Promise<void>>();
for await (const line of createInterface({ input: process.stdin })) {
  const [what, run = "", token = "", item = "", text = ""] = line.split(" ");
  if (what !== "answer") break;
  const said = flujo.answer(run, { item: Number(item), text }, { token }).then(
    () => console.log(`${text} ok`),
    (error: unknown) => console.log(`${text} ${error instanceof FlujoError ? error.code : String(error)}`),
  );
  open.add(said);
  void said.finally(() => open.delete(said));
}
await Promise.all(open);
process.stdin.destroy();
