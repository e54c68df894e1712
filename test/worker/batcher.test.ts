import { describe, expect, test } from "vitest";
import { systemAmbient } from "../../src/engine/system.ts";
import { Batcher } from "../../src/worker/batcher.ts";

/** A server that answers a batch when it is told to. */
class Server {
  readonly batches: { readonly items: readonly number[]; readonly answer: () => Promise<void> }[] = [];

  readonly send = (items: readonly number[]): Promise<readonly number[]> =>
    new Promise((resolve) => {
      const answer = async (): Promise<void> => {
        resolve(items.map((item) => -item));
        await turns();
      };
      this.batches.push({ items, answer });
    });

  get sizes(): readonly number[] {
    return this.batches.map(({ items }) => items.length);
  }
}

/** Long enough for whatever was scheduled to be sent. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

function scene(
  inFlight: 1 | 2,
  maxBatch = 1_000,
): { readonly server: Server; readonly add: (n: number) => Promise<number>[] } {
  const server = new Server();
  const batcher = new Batcher(server.send, { gather: "turn", inFlight, ambient: systemAmbient, maxBatch });
  let next = 0;
  return { server, add: (n) => Array.from({ length: n }, () => batcher.add(++next)) };
}

describe("a batcher", () => {
  test("sends a lone item at once and answers it", async () => {
    const { server, add } = scene(2);
    const [answer] = add(1);
    await turns();
    await server.batches[0]?.answer();
    expect(await answer).toBe(-1);
  });

  test("gathers while its one batch is under way", async () => {
    const { server, add } = scene(1);
    void add(40);
    await turns();
    void add(3);
    void add(4);
    await turns();
    expect(server.sizes).toEqual([40]);
    await server.batches[0]?.answer();
    expect(server.sizes).toEqual([40, 7]);
  });

  test("parts what waits in halves that travel apart", async () => {
    const { server, add } = scene(2);
    void add(100);
    await turns();
    expect(server.sizes).toEqual([50, 50]);
    await server.batches[0]?.answer();
    void add(50);
    await turns();
    expect(server.sizes).toEqual([50, 50, 50]);
  });

  test("lets a few wait for the batch under way, so that they do not run ahead of the many", async () => {
    const { server, add } = scene(2);
    void add(20);
    await turns();
    void add(9);
    await turns();
    expect(server.sizes).toEqual([20]);
    await server.batches[0]?.answer();
    expect(server.sizes).toEqual([20, 9]);
  });

  test("never has more than two batches under way", async () => {
    const { server, add } = scene(2);
    void add(100);
    await turns();
    void add(100);
    await turns();
    expect(server.sizes).toEqual([50, 50]);
    await server.batches[1]?.answer();
    expect(server.sizes).toEqual([50, 50, 100]);
  });

  test("sends no more at once than it may", async () => {
    const { server, add } = scene(1, 10);
    void add(25);
    await turns();
    for (let i = 0; i < 3; i++) await server.batches[i]?.answer();
    expect(server.sizes).toEqual([10, 10, 5]);
  });

  test("answers each item of a batch that failed with the failure, and goes on", async () => {
    let calls = 0;
    const send = (items: readonly number[]): Promise<readonly number[]> =>
      ++calls === 1 ? Promise.reject(new Error("down")) : Promise.resolve(items);
    const batcher = new Batcher(send, { gather: "turn", inFlight: 2, ambient: systemAmbient, maxBatch: 10 });
    const failed = await Promise.allSettled([batcher.add(1), batcher.add(2)]);
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await batcher.add(3)).toBe(3);
  });
});
