import { flow } from "flujo";
import { sqliteStore } from "flujo/sqlite";
import Database from "libsql";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";

describe("a row that cannot be decoded", () => {
  it("fails its own run and keeps no other from being claimed", async () => {
    await using scene = new Scene("sqlite");
    const path = join(scene.folder, "broken.db");
    const simple = flow("simple", { version: "1" })
      .step("s", () => "done")
      .build();
    const store = await sqliteStore({ path });
    const client = scene.open({ store, flows: [simple], worker: false });
    const bad = await client.start(simple, null);
    const good = await client.start(simple, null);
    const db = new Database(path);
    db.prepare("UPDATE fibers SET state = '{' WHERE run = ?").run([bad.runId]);
    db.close();
    const worker = scene.open({ store, flows: [simple] });
    await worker.open();
    const ended = await eventually(
      "the good run to end",
      async () => (await client.get(good.runId)).endedAt,
      3_000,
    ).catch((error: unknown) => error);
    await worker.close();
    await client.close();
    await store.close();
    expect(ended).toBeInstanceOf(Date);
  });
});
