import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/testing.ts";
import { ambientOf, VirtualClock } from "./clock.ts";
import { Scene } from "./scene.ts";

/** Asks nothing of the backend. */
const FREE = new Set<PropertyKey>(["subscribe", "close", "guard", "partitionOf", "capabilities"]);

/** The same store as a server shows it to one process, and how often it was asked what. */
class Counted {
  readonly calls = new Map<string, number>();
  readonly store: Store;
  #dead = false;

  constructor(real: Store) {
    this.store = new Proxy(real, {
      get: (target, name) => {
        if (name === "capabilities") return { ...target.capabilities, shared: true };
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function" || FREE.has(name))
          return typeof member === "function" ? member.bind(target) : member;
        return (...args: unknown[]) => {
          const asked = String(name);
          this.calls.set(asked, (this.calls.get(asked) ?? 0) + 1);
          return this.#dead ? Promise.reject(new Error("nobody answers")) : Reflect.apply(member, target, args);
        };
      },
    });
  }

  /** From now on nothing that the process asks arrives. */
  die(): void {
    this.#dead = true;
  }

  get total(): number {
    return [...this.calls.values()].reduce((sum, one) => sum + one, 0);
  }
}

const one = flow("one", { version: "1" })
  .step("s", () => 1)
  .build();

describe("an idle worker", () => {
  it.each([1, 3])("asks its store less than once a second, also among %i", async (count) => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const real = memoryStore({ clock });
    const stores = Array.from({ length: count }, () => new Counted(real));
    const workers = stores.map(({ store }, i) => scene.open({ store, flows: [one], ambient: ambientOf(clock, i) }));
    for (const worker of workers) await clock.until(worker.open());
    await clock.goOn(10_000); // whatever begins is over
    for (const { calls } of stores) calls.clear();
    await clock.goOn(60_000);
    for (const { calls, total } of stores) {
      expect(total, JSON.stringify([...calls])).toBeLessThanOrEqual(60);
      expect(Object.fromEntries(calls)).toMatchObject({ heartbeat: 30 });
      expect(calls.get("sweep")).toBe(undefined);
    }
    for (const worker of workers) await clock.until(worker.close(), 20_000);
    await real.close();
  });

  it.each([
    { lease: 3_000, heartbeat: 1_000 },
    { lease: 1_500, heartbeat: 400 },
    { lease: 1_000, heartbeat: 500 },
    { lease: 60_000, heartbeat: 1_000 },
  ])("takes no healthy one for dead with a lease of $lease ms and a beat of $heartbeat ms", async (options) => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const real = memoryStore({ clock });
    const stores = [1, 2].map(() => new Counted(real));
    const workers = stores.map(({ store }, i) =>
      scene.open({ store, flows: [one], ambient: ambientOf(clock, i), worker: options }),
    );
    for (const worker of workers) await clock.until(worker.open());
    await clock.goOn(10_000);
    for (const { calls } of stores) calls.clear();
    await clock.goOn(60_000);
    const most = 60_000 / options.heartbeat;
    for (const { calls } of stores) {
      expect(calls.get("heartbeat")).toBeGreaterThanOrEqual(most / 4);
      expect(calls.get("heartbeat")).toBeLessThanOrEqual(most);
      expect([calls.get("sweep"), calls.get("register")]).toEqual([undefined, undefined]);
    }
    for (const worker of workers) await clock.until(worker.close(), 20_000);
    await real.close();
  });

  it("beats twice a second as soon as it holds something, and takes over from one that died with a run", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const real = memoryStore({ clock });
    const [doomed, other] = [new Counted(real), new Counted(real)];
    let began = 0;
    const slow = flow("slow", { version: "1" })
      .step("s", () => {
        began += 1;
        return began === 1 ? new Promise<number>(() => undefined) : 2;
      })
      .build();
    const first = scene.open({
      store: doomed.store,
      flows: [slow],
      ambient: ambientOf(clock, 1),
      worker: { drain: 0 },
    });
    await clock.until(first.open());
    await clock.goOn(5_000);
    const { runId } = await clock.until(first.start(slow, null));
    const second = scene.open({ store: other.store, flows: [slow], ambient: ambientOf(clock, 2) });
    await clock.until(second.open());
    await clock.goOn(2_000);
    doomed.calls.clear();
    await clock.goOn(10_000);
    expect(doomed.calls.get("heartbeat")).toBe(20);
    const died = clock.now();
    doomed.die();
    const result = second.result(runId, { until: "end" });
    expect(await clock.until(result, 5_000)).toMatchObject({ status: "completed", output: 2 });
    expect(clock.now() - died).toBeLessThanOrEqual(2_500);
    expect(other.calls.get("sweep")).toBeLessThanOrEqual(2); // at its start, and when it was time
    await clock.until(Promise.all([first.close(), second.close()]), 20_000);
    await real.close();
  });
});
