import { describe, expect, it } from "vitest";
import { newRun, OTHER_RUN, RUN, WORKER } from "../../src/testing/conformance/records.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { endRun, newEvent, transition } from "../../src/testing/conformance/transitions.ts";
import { hasRedisProgram, ownRedis } from "../setup/servers.ts";
import { TcpProxy } from "../setup/tcp-proxy.ts";
import { bareClient, sceneAt, whenBack } from "./redis-servers.ts";

const LEASE_MS = 60_000;

describe.skipIf(!hasRedisProgram())("a Redis store whose connection breaks (skipped without redis-server)", () => {
  it("says that a commit may have been lost, never sends it twice, and fences the repetition", async () => {
    await using server = await ownRedis();
    await using proxy = await TcpProxy.before({ port: server.port });
    await using opened = await sceneAt({ url: `redis://127.0.0.1:${proxy.port}` });
    const { scene, store } = opened;
    const held = await scene.pass(transition(await scene.hold(await scene.worker(WORKER, LEASE_MS)))); // the script is known now
    const step = transition(held, { event: newEvent("once") });
    proxy.behave({ kind: "reset-after-commit" });
    expect((await rejection(store.commit([step]))).code).toBe("STORE_UNAVAILABLE");
    proxy.heal();
    expect(await whenBack(() => scene.commit(step))).toEqual({ status: "lost" });
    expect(await scene.facts()).toEqual([["created"], "once"]);
    expect((await scene.fiber())?.seq).toBe(2);
  });

  it("rejects while nobody answers, and goes on by itself afterwards with nothing lost", async () => {
    await using server = await ownRedis();
    await using proxy = await TcpProxy.before({ port: server.port });
    await using opened = await sceneAt({ url: `redis://127.0.0.1:${proxy.port}` });
    const { scene, store } = opened;
    const held = await scene.hold(await scene.worker(WORKER, LEASE_MS));
    proxy.behave({ kind: "reset" });
    expect((await rejection(store.commit([transition(held)]))).code).toBe("STORE_UNAVAILABLE");
    expect((await rejection(store.load(RUN))).code).toBe("STORE_UNAVAILABLE");
    proxy.heal();
    await whenBack(() => store.load(RUN));
    await scene.pass(transition(held));
  });

  it("gives up on an answer that does not come in time", async () => {
    await using server = await ownRedis();
    await using proxy = await TcpProxy.before({ port: server.port });
    await using opened = await sceneAt({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 50 });
    const { store } = opened;
    proxy.behave({ kind: "stall" });
    const error = await rejection(store.load(RUN));
    expect([error.code, error.message.includes("timed out")]).toEqual(["STORE_UNAVAILABLE", true]);
    proxy.heal();
    expect(await whenBack(() => store.load(RUN))).toBe(undefined);
  });

  it("leaves a connection that says nothing any more", async () => {
    await using server = await ownRedis();
    await using proxy = await TcpProxy.before({ port: server.port });
    await using opened = await sceneAt({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 100 });
    for (const connection of proxy.connections) connection.behave({ kind: "stall" });
    expect((await rejection(opened.store.load(RUN))).code).toBe("STORE_UNAVAILABLE");
    expect(await whenBack(() => opened.store.load(RUN))).toBe(undefined);
    expect(proxy.accepted).toBe(2);
  });

  it("connects again after its connection was killed", async () => {
    await using server = await ownRedis();
    await using opened = await sceneAt({ url: server.url });
    const { scene, store } = opened;
    const held = await scene.hold(await scene.worker(WORKER, LEASE_MS));
    using bare = bareClient(server.url);
    for (let round = 0; round < 3; round++) {
      await bare.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await whenBack(() => store.load(RUN));
    }
    await scene.pass(endRun(held));
  });

  it("hears what another store made ready, also after the channel was cut", async () => {
    await using server = await ownRedis();
    await using first = await sceneAt({ url: server.url });
    await using second = await sceneAt({ url: server.url });
    let hints = 0;
    const stop = first.store.subscribe(({ ready }) => {
      if (ready) hints += 1;
    });
    let runs = 0;
    const heardOne = async (): Promise<void> => {
      const before = hints;
      await expect
        .poll(async () => {
          await second.store.createRuns([newRun({ id: `run-${runs++}` as typeof RUN })]);
          return hints > before;
        })
        .toBe(true);
    };
    await heardOne();
    using bare = bareClient(server.url);
    await bare.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    await heardOne();
    stop();
  });

  it("tells its own listeners once, and names the runs that ended to others", async () => {
    await using server = await ownRedis();
    await using first = await sceneAt({ url: server.url });
    await using second = await sceneAt({ url: server.url });
    const ended = new Promise<boolean>((resolve) => {
      second.store.subscribe(({ runs }) => {
        if (runs.includes(OTHER_RUN)) resolve(true);
      });
    });
    const lease = await first.scene.worker(WORKER, LEASE_MS);
    let hints = 0;
    first.store.subscribe(({ runs }) => {
      if (runs.includes(RUN)) hints += 1;
    });
    await using other = await sceneAt({ url: server.url });
    await expect.poll(async () => (await other.store.load(RUN))?.status ?? first.scene.hold(lease)).toBe("running");
    await first.scene.pass(endRun({ run: RUN, fiber: "0" as never, lease, seq: 0 }));
    expect(hints).toBe(1);
    const held = await first.scene.hold(lease, { id: OTHER_RUN });
    await first.scene.pass(endRun(held));
    expect(await Promise.race([ended, first.store.close().then(() => ended)])).toBe(true);
  });
});
