import { createServer, get } from "node:http";
import { randomBytes } from "node:crypto";
import { userInfo } from "node:os";
import type { TestProject } from "vitest/node";
import { answersSql, askPostgres, ownPostgres, postgresPrograms } from "./own-postgres.ts";
import { answersPing, hasRedisProgram, ownRedis } from "./own-redis.ts";

/**
 * Finds or starts the servers that all test files of one run share, when the first of them asks. It lives in the process that
 * runs the workers, because that one outlives them: a worker cannot leave a server behind, nor take one away from another.
 */
declare module "vitest" {
  interface ProvidedContext {
    /** Port of the host of shared servers. */
    serverHost: number;
  }
}

/** Where a server is, or why there is none. */
export type Found = { readonly url: string } | { readonly absent: string };
export type ServerName = "postgres" | "redis";

type CleanUp = () => Promise<void>;
type Find = (cleanUps: CleanUp[]) => Promise<Found>;

const RUNNING_REDIS = "redis://127.0.0.1:6379";

const FIND: Readonly<Record<ServerName, Find>> = { postgres: findPostgres, redis: findRedis };

async function findPostgres(cleanUps: CleanUp[]): Promise<Found> {
  const given = process.env["FLUJO_TEST_POSTGRES_URL"];
  if (given !== undefined) {
    return (await answersSql(given)) ? { url: given } : { absent: "FLUJO_TEST_POSTGRES_URL does not answer" };
  }
  const database = `flujo_test_${randomBytes(6).toString("hex")}`;
  for (const user of ["postgres", userInfo().username]) {
    const server = `postgres://${encodeURIComponent(user)}@127.0.0.1:5432`;
    if (!(await answersSql(`${server}/postgres`, `CREATE DATABASE ${database}`))) continue;
    cleanUps.push(async () => {
      await askPostgres(`${server}/postgres`, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    });
    return { url: `${server}/${database}` };
  }
  if (postgresPrograms() === undefined)
    return { absent: "nothing answers on 127.0.0.1:5432, and initdb is not installed" };
  const own = await ownPostgres({ fsync: false });
  cleanUps.push(async () => own[Symbol.asyncDispose]());
  return { url: own.url };
}

async function findRedis(cleanUps: CleanUp[]): Promise<Found> {
  const given = process.env["FLUJO_TEST_REDIS_URL"];
  if (given !== undefined) {
    return (await answersPing(given)) ? { url: given } : { absent: "FLUJO_TEST_REDIS_URL does not answer" };
  }
  if (await answersPing(RUNNING_REDIS)) return { url: RUNNING_REDIS };
  if (!hasRedisProgram()) return { absent: "nothing answers on 127.0.0.1:6379, and redis-server is not installed" };
  const own = await ownRedis();
  cleanUps.push(async () => own[Symbol.asyncDispose]());
  return { url: own.url };
}

/** vitest's global setup. Answers how to tear it down. */
export async function setup(project: Pick<TestProject, "provide">): Promise<CleanUp> {
  const cleanUps: CleanUp[] = [];
  const found = new Map<ServerName, Promise<Found>>();
  const find = (name: ServerName): Promise<Found> => {
    const known = found.get(name) ?? FIND[name](cleanUps);
    found.set(name, known);
    return known;
  };
  const host = createServer((request, response) => {
    const name = request.url?.slice(1) === "postgres" ? "postgres" : "redis";
    find(name).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: unknown) => response.end(JSON.stringify({ absent: `${name} could not be started: ${String(error)}` })),
    );
  });
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
  const address = host.address();
  if (typeof address !== "object" || address === null) throw new Error("expected the host of servers to have a port");
  project.provide("serverHost", address.port);
  return async () => {
    host.closeAllConnections();
    await new Promise((resolve) => host.close(resolve));
    await Promise.allSettled(found.values());
    for (const cleanUp of cleanUps) await cleanUp();
  };
}

/** Asks the host for a server. */
export function askHost(port: number, name: ServerName): Promise<Found> {
  return new Promise((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path: `/${name}`, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve(JSON.parse(text) as Found));
    });
    request.once("error", reject);
  });
}
