import { describe, expect, it } from "vitest";
import { redisStore, type RedisStoreOptions } from "../../src/redis.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { hasRedisProgram, ownRedis } from "../setup/servers.ts";
import { bareClient } from "./redis-servers.ts";

const BAD: readonly (readonly [what: string, options: RedisStoreOptions, code: string])[] = [
  ["neither url nor client", {}, "OPTION_INVALID"],
  ["a client that is none", { client: {} as never }, "OPTION_INVALID"],
  ["a url that is none", { url: "localhost" }, "STORE_URI_INVALID"],
  ["a url of another server", { url: "postgres://localhost/flujo" }, "STORE_URI_INVALID"],
  ["a database that is no number", { url: "redis://localhost/flujo" }, "STORE_URI_INVALID"],
  ["a prefix with braces", { url: "redis://localhost", prefix: "a{b}" }, "OPTION_INVALID"],
  ["an empty prefix", { url: "redis://localhost", prefix: "" }, "OPTION_INVALID"],
  ["a timeout of nothing", { url: "redis://localhost", commandTimeoutMs: 0 }, "OPTION_INVALID"],
];

async function warningsAt(
  options: RedisStoreOptions,
): Promise<{ readonly warnings: string[]; readonly durable: boolean }> {
  const warnings: string[] = [];
  await using store = await redisStore({ ...options, onWarning: (message) => warnings.push(message) });
  return { warnings, durable: store.capabilities.durable };
}

describe("opening a Redis store", () => {
  for (const [what, options, code] of BAD) {
    it(`refuses ${what}`, async () => {
      expect((await rejection(redisStore(options))).code).toBe(code);
    });
  }

  it("says at once that nobody is there, without the password", async () => {
    const error = await rejection(redisStore({ url: "redis://user:geheim@127.0.0.1:1/3" }));
    expect(error.code).toBe("STORE_UNAVAILABLE");
    expect(error.message).toContain("redis://127.0.0.1:1/3");
    expect(error.message).not.toContain("geheim");
  });
});

describe.skipIf(!hasRedisProgram())("opening a Redis store on a server (skipped without redis-server)", () => {
  it("warns once of a server without AOF, and says that it is not durable", async () => {
    await using server = await ownRedis();
    const { warnings, durable } = await warningsAt({ url: server.url });
    expect([warnings.length, durable]).toEqual([1, false]);
    expect(warnings[0]).toContain("appendonly is off");
    expect(warnings[0]).toContain(`127.0.0.1:${server.port}`);
  });

  it("has nothing to say of a server with AOF", async () => {
    await using server = await ownRedis({ appendonly: "everysec" });
    expect(await warningsAt({ url: server.url, requireDurable: true })).toEqual({ warnings: [], durable: true });
  });

  it("refuses a server without AOF where durability is required", async () => {
    await using server = await ownRedis();
    const error = await rejection(redisStore({ url: server.url, requireDurable: true }));
    expect(error.code).toBe("STORE_NOT_DURABLE");
    using bare = bareClient(server.url);
    expect(await bare.client.dbsize()).toBe(0);
  });

  it("warns of a server that throws keys away when memory is short", async () => {
    await using server = await ownRedis({ appendonly: "everysec" });
    using bare = bareClient(server.url);
    await bare.client.config("SET", "maxmemory-policy", "allkeys-lru");
    const { warnings } = await warningsAt({ url: server.url });
    expect(warnings.join()).toContain("maxmemory-policy is allkeys-lru");
  });

  it("says what it could not check where CONFIG is forbidden, and works", async () => {
    await using server = await ownRedis({ appendonly: "everysec" });
    using bare = bareClient(server.url);
    await bare.client.call("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-config");
    const { warnings, durable } = await warningsAt({ url: `redis://app:pw@127.0.0.1:${server.port}` });
    expect([warnings.length, durable]).toEqual([1, true]);
    expect(warnings[0]).toContain("could not be checked");
  });

  it("refuses a wrong password, and does not show it", async () => {
    await using server = await ownRedis();
    using bare = bareClient(server.url);
    await bare.client.call("ACL", "SETUSER", "app", "on", ">right", "~*", "&*", "+@all");
    const error = await rejection(redisStore({ url: `redis://app:wrong@127.0.0.1:${server.port}` }));
    expect(error.code).toBe("STORE_UNAVAILABLE");
    expect(error.message).toContain("WRONGPASS");
    expect(error.message).not.toContain("wrong@");
  });

  it("refuses a prefix whose keys are not ours, and leaves them as they are", async () => {
    await using server = await ownRedis();
    using bare = bareClient(server.url);
    for (const fill of [
      () => bare.client.set("{mine:0}:meta", "x"),
      () => bare.client.hset("{other:0}:meta", "a", "b"),
    ]) {
      await fill();
    }
    for (const prefix of ["mine", "other"]) {
      const error = await rejection(redisStore({ url: server.url, prefix, onWarning: () => undefined }));
      expect(error.code).toBe("STORE_FOREIGN");
    }
    expect(await bare.client.get("{mine:0}:meta")).toBe("x");
    expect(await bare.client.dbsize()).toBe(2);
  });

  it("refuses a store that a newer flujo wrote", async () => {
    await using server = await ownRedis();
    using bare = bareClient(server.url);
    await bare.client.hset("{flujo:0}:meta", "schema", "99");
    expect((await rejection(redisStore({ url: server.url, onWarning: () => undefined }))).code).toBe("STORE_TOO_NEW");
  });

  it("keeps stores of different prefixes and databases apart", async () => {
    await using server = await ownRedis();
    const open = (path: string, prefix: string): ReturnType<typeof redisStore> =>
      redisStore({ url: `${server.url}${path}`, prefix, onWarning: () => undefined });
    await using first = await open("/0", "a");
    await using second = await open("/0", "b");
    await using third = await open("/1", "a");
    expect(await first.removeSchedule("x")).toBe(false);
    await first.putSchedule({ id: "x", spec: 1 });
    expect([await second.schedules(), await third.schedules()]).toEqual([[], []]);
  });
});
