import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Process } from "../crash/process.ts";

/* In a process of its own, because it is the process that died. */
it("outlives a guard that is stopped while it waits for a locked file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "flujo-guard-"));
  try {
    await using child = new Process(new URL("sqlite-guard-child.ts", import.meta.url), { path: join(folder, "a.db") });
    await child.finished();
    expect(await child.said("alive")).toBe("");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
