/**
 * A flow of two steps, kept in one SQLite file. A second process (here a second Flujo) that starts the run with the same id
 * gets the recorded result; no step runs again.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flow, Flujo } from "flujo";

let executions = 0;

const hello = flow("hello", { version: "1" })
  .step("greet", (name) => {
    executions += 1;
    return `Hello, ${String(name)}!`;
  })
  .step("shout", (greeting) => greeting.toUpperCase())
  .build();

const folder = mkdtempSync(join(tmpdir(), "flujo-hello-"));
try {
  for (const process of ["first", "second"]) {
    await using flujo = new Flujo({ store: `sqlite:${join(folder, "hello.db")}`, flows: [hello] });
    const result = await flujo.run(hello, "world", { id: "hello-1" });
    console.log(`${process} process:`, result.status === "completed" ? result.output : result);
  }
  console.log(`"greet" was executed ${executions} time`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
