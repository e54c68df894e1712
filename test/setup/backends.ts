import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, describe } from "vitest";
import { MongoDouble } from "../mongo-double/server.ts";
import type { Address } from "./addresses.ts";
import { freshPrefix, freshSchema, type SharedServer, sharedServer, titled } from "./servers.ts";

/** A place of its own for one test. Nothing is left there when its owner lets go of it. */
export interface Place extends AsyncDisposable {
  readonly address: Address;
}

/** A kind of store, and whether it is there to be tested. */
export interface Backend {
  readonly name: string;
  readonly presence: SharedServer;
  /** `folder` is the test's own. Undefined where only one process sees the store. */
  readonly place: ((folder: string) => Place) | undefined;
}

const HERE: SharedServer = { run: true, url: "" };
const postgres = await sharedServer("postgres");
const redis = await sharedServer("redis");
/** It lives in this process, and other processes reach it like any server. */
const mongodb = await MongoDouble.start();
afterAll(() => mongodb[Symbol.asyncDispose]());

/** All stores, in one table: what is promised of flows is promised on each. */
export const BACKENDS: readonly Backend[] = [
  { name: "memory", presence: HERE, place: undefined },
  {
    name: "sqlite",
    presence: HERE,
    place: (folder) => ({
      address: { kind: "sqlite", path: join(folder, "flujo.db") },
      [Symbol.asyncDispose]: async () => undefined, // it goes with the folder
    }),
  },
  {
    name: "postgres",
    presence: postgres,
    place: () => {
      const fresh = freshSchema(postgres);
      const { url, schema } = fresh;
      return { address: { kind: "postgres", url, schema }, [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose]() };
    },
  },
  {
    name: "redis",
    presence: redis,
    place: () => {
      const fresh = freshPrefix(redis);
      const { url, prefix } = fresh;
      return { address: { kind: "redis", url, prefix }, [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose]() };
    },
  },
  {
    name: "mongodb",
    presence: HERE,
    place: () => ({
      address: { kind: "mongodb", url: mongodb.url, database: `flujo_${randomBytes(6).toString("hex")}` },
      [Symbol.asyncDispose]: async () => undefined, // it goes with the double
    }),
  },
];

/** Those that several processes can share. */
export const SHARED_BACKENDS: readonly Backend[] = BACKENDS.filter(({ place }) => place !== undefined);

/** One suite for each of them, skipped with its reason where there is no server. `%s` in the title is the store. */
export function describeOn(backends: readonly Backend[], title: string, suite: (backend: Backend) => void): void {
  for (const backend of backends) {
    const { name, presence } = backend;
    describe.skipIf(!presence.run)(titled(title.replace("%s", name), presence), () => suite(backend));
  }
}
