import { expect, it } from "vitest";
import { Scene } from "../engine/scene.ts";
import { type Backend, BACKENDS, describeOn } from "../setup/backends.ts";
import { adoption, endurance, handOver } from "./recovery.ts";

/* How fast it is, `npm run chaos -- recovery` measures; here the bounds are those of a machine that does much else. */
const BOUND_MS = 20_000;
const RUNS = 1_000;

/** MongoDB's double is served by the test's own process: a thousand runs at once would say how busy that is. */
const TIMED = BACKENDS.filter(({ name }) => ["sqlite", "postgres", "redis"].includes(name));

const ground = (scene: Scene) => ({ address: scene.address, ledger: scene.folder });

describeOn(TIMED, "recovery on %s", (backend: Backend) => {
  it(`adopts ${RUNS} runs of a worker that was killed amid their steps, and records nothing twice`, async () => {
    await using scene = new Scene(backend);
    const { firstMs, lastMs, recordedTwice } = await adoption(ground(scene), RUNS);
    expect(firstMs).toBeGreaterThan(0);
    expect(lastMs).toBeLessThan(BOUND_MS);
    expect(recordedTwice).toEqual([]);
  });

  it("does not take over a step that computes for longer than its lease, nor one that waits", async () => {
    await using scene = new Scene(backend);
    const { begun } = await endurance(ground(scene), 5_000, 6_000);
    expect(begun).toEqual([1, 1]);
  });

  it("hands over what it does at SIGTERM, and begins no finished step again", async () => {
    await using scene = new Scene(backend);
    const { lastMs, begunTwice, code } = await handOver(ground(scene), 50, 60);
    expect(code).toBe(0);
    expect(lastMs).toBeLessThan(BOUND_MS);
    expect(begunTwice).toEqual([]);
  });
});
