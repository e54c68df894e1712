import { flow } from "flujo";
import { sqliteStore } from "flujo/sqlite";
import Database from "libsql";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Store } from "../../src/ports/store.ts";
import { eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";

const asks = flow("asks", { version: "1" })
  .waitForSignal("go", "go")
  .step("s", () => "done")
  .build();
const maps = flow("maps", { version: "1" })
  .map(
    "m",
    () => [1, 2],
    (b) => b.waitForSignal("go", "go"),
  )
  .build();
const calls = flow("calls", { version: "1" })
  .call("c", asks, { input: () => null })
  .build();

/** A store on a file, and a way around it. */
async function damaged(scene: Scene): Promise<{ readonly store: Store; readonly damage: (sql: string) => void }> {
  const path = join(scene.folder, "damaged.db");
  const store = await sqliteStore({ path });
  const damage = (sql: string): void => {
    const db = new Database(path);
    db.exec(sql);
    db.close();
  };
  return { store, damage };
}

describe("a damaged row", () => {
  it.each([
    ["state", "UPDATE fibers SET state = '{' WHERE run = 'bad'"],
    ["value", "UPDATE fibers SET value = 'x' WHERE run = 'bad'"],
    ["wait", "UPDATE fibers SET wait = '[' WHERE run = 'bad'"],
    ["list of names", "UPDATE fibers SET names = '[' WHERE run = 'bad'"],
    ["message", "UPDATE messages SET data = '' WHERE run = 'bad'"],
    ["metadata", "UPDATE runs SET metadata = '' WHERE id = 'bad'"],
    [
      "context",
      "INSERT OR REPLACE INTO contexts (fiber, context, aside) SELECT id, '{', 'null' FROM fibers WHERE run = 'bad'",
    ],
  ])("fails its own run and no other: %s", async (what, sql) => {
    await using scene = new Scene("sqlite");
    const { store, damage } = await damaged(scene);
    const client = scene.open({ store, flows: [asks] });
    await client.run(asks, null, { id: "bad" });
    await client.run(asks, null, { id: "good" });
    await client.close();
    const sender = scene.open({ store, flows: [asks], worker: false });
    await sender.signal("bad", "go");
    await sender.signal("good", "go");
    damage(sql);
    const worker = scene.open({ store, flows: [asks] });
    expect(await worker.result("good", { until: "end" })).toMatchObject({ status: "completed", output: "done" });
    if (what === "metadata") damage("UPDATE runs SET metadata = '{}' WHERE id = 'bad'"); // it is part of the run's own record
    expect(await worker.result("bad", { until: "end" })).toMatchObject({
      status: "failed",
      failure: { code: "RECORD_UNDECODABLE" },
    });
    await worker.close();
    await sender.close();
    await store.close();
  });

  it("of a branch fails the run that it is part of", async () => {
    await using scene = new Scene("sqlite");
    const { store, damage } = await damaged(scene);
    const flujo = scene.open({ store, flows: [maps] });
    const { runId } = await flujo.run(maps, null);
    damage("UPDATE fibers SET value = '{' WHERE key = '0.1'");
    await flujo.signal(runId, "go", 1);
    await flujo.signal(runId, "go", 2);
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({
      status: "failed",
      failure: { code: "RECORD_UNDECODABLE" },
    });
    await flujo.close();
    await store.close();
  });

  it("of a child run is told to the run that waits for it", async () => {
    await using scene = new Scene("sqlite");
    const { store, damage } = await damaged(scene);
    const flujo = scene.open({ store, flows: [calls] });
    const { runId } = await flujo.run(calls, null);
    const { items } = await flujo.list({ parent: runId as never });
    damage(`UPDATE fibers SET state = '{' WHERE run = '${items[0]?.id}'`);
    await flujo.signal(items[0]?.id ?? "", "go");
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({
      status: "failed",
      failure: { code: "CHILD_FAILED", cause: { code: "RECORD_UNDECODABLE" } },
    });
    await flujo.close();
    await store.close();
  });

  it("without a run is left lying, and holds up nobody", async () => {
    await using scene = new Scene("sqlite");
    const { store, damage } = await damaged(scene);
    const client = scene.open({ store, flows: [asks], worker: false });
    await client.start(asks, null, { id: "orphan" });
    await client.start(asks, null, { id: "good" });
    damage("DELETE FROM runs WHERE id = 'orphan'");
    const worker = scene.open({ store, flows: [asks] });
    await worker.open();
    await eventually("the good run to wait", async () => (await client.get("good")).status === "waiting");
    await worker.close();
    await client.close();
    await store.close();
  });
});
