import { execFile } from "node:child_process";
import { Client } from "pg";
import { describe, expect, it } from "vitest";
import { isAlive, onLeash, poll } from "./leash.ts";
import { answersSql, askPostgres } from "./own-postgres.ts";
import { answersPing, askRedis } from "./own-redis.ts";
import {
  freshPrefix,
  freshSchema,
  hasRedisProgram,
  ownPostgres,
  ownRedis,
  postgresPrograms,
  redisCluster,
  sharedServer,
  titled,
  urlOf,
} from "./servers.ts";

const postgres = await sharedServer("postgres");
const redis = await sharedServer("redis");

describe("a program on the leash", () => {
  it("is gone when it is let go", async () => {
    const one = await onLeash(["sleep", "1000"], { log: "/dev/null", signal: "KILL" });
    expect(isAlive(one.pid)).toBe(true);
    await one.letGo();
    expect(isAlive(one.pid)).toBe(false);
  });

  it("is gone after whoever held it was killed", async () => {
    const script = `import { onLeash } from ${JSON.stringify(new URL("leash.ts", import.meta.url).href)};
      const one = await onLeash(["sleep", "1000"], { log: "/dev/null", signal: "KILL" });
      console.log(one.pid); process.kill(process.pid, "SIGKILL");`;
    const said = await new Promise<string>((resolve) => {
      execFile(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], (_, stdout) =>
        resolve(stdout),
      );
    });
    const pid = Number(said);
    expect(pid).toBeGreaterThan(1);
    await poll(
      () => `process ${pid} to end`,
      () => !isAlive(pid),
    );
  });
});

describe.skipIf(!postgres.run)(titled("a fresh schema", postgres), () => {
  it("leaves nothing behind", async () => {
    const counted = `SELECT 1 FROM information_schema.schemata WHERE schema_name`;
    const { url, schema } = await (async () => {
      await using fresh = freshSchema(postgres);
      await askPostgres(fresh.url, `CREATE SCHEMA ${fresh.schema} CREATE TABLE a (b int)`);
      expect(await askPostgres(fresh.url, `${counted} = '${fresh.schema}'`)).toHaveLength(1);
      return fresh;
    })();
    expect(await askPostgres(url, `${counted} = '${schema}'`)).toEqual([]);
  });
});

describe.skipIf(!redis.run)(titled("a fresh prefix", redis), () => {
  it("leaves nothing behind, and touches nothing of others", async () => {
    await using other = freshPrefix(redis);
    await askRedis(other.url, "SET", `${other.prefix}:a`, "1");
    const { url, prefix } = await (async () => {
      await using fresh = freshPrefix(redis);
      await askRedis(fresh.url, "SET", `${fresh.prefix}:a`, "1");
      await askRedis(fresh.url, "SET", `{${fresh.prefix}}:b`, "1");
      return fresh;
    })();
    expect(await askRedis(url, "EXISTS", `${prefix}:a`, `{${prefix}}:b`, `${other.prefix}:a`)).toBe(1);
  });
});

describe.skipIf(postgresPrograms() === undefined)("a Postgres of our own", () => {
  it("keeps what was committed when it is stopped hard, and cuts its connections", async () => {
    await using own = await ownPostgres();
    await askPostgres(own.url, "CREATE TABLE kept AS SELECT 1 AS a");
    const client = new Client({ connectionString: own.url });
    const cut = new Promise((resolve) => client.once("error", resolve));
    await client.connect();
    await own.stopImmediately();
    await cut;
    expect(await answersSql(own.url)).toBe(false);
    await own.start();
    expect(await askPostgres(own.url, "SELECT a FROM kept")).toEqual([{ a: 1 }]);
  });
});

describe.skipIf(!hasRedisProgram())("a Redis of our own", () => {
  it("keeps what it has written to its append-only file when it is killed", async () => {
    await using own = await ownRedis({ appendonly: "always" });
    await askRedis(own.url, "SET", "a", "1");
    await own.kill();
    expect(await answersPing(own.url)).toBe(false);
    await own.start();
    expect(await askRedis(own.url, "GET", "a")).toBe("1");
  });

  it("forms a cluster of three", async () => {
    await using cluster = await redisCluster();
    expect(cluster.urls).toHaveLength(3);
    const [first = ""] = cluster.urls;
    expect(String(await askRedis(first, "CLUSTER", "INFO"))).toContain("cluster_slots_assigned:16384");
    await expect(Promise.all(cluster.urls.map(async (url) => askRedis(url, "SET", "a", "1")))).rejects.toThrow(/MOVED/);
  });
});

describe("an absent server", () => {
  it("says so when it is asked for all the same", () => {
    expect(() => urlOf({ run: false, reason: "skipped: it rains" })).toThrow("skipped: it rains");
    expect(titled("a suite", { run: false, reason: "skipped: it rains" })).toBe("a suite (skipped: it rains)");
  });
});
