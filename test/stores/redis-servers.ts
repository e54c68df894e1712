import { Redis } from "ioredis";
import type { Store } from "../../src/ports/store.ts";
import { redisStore, type RedisStoreOptions } from "../../src/redis.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { START_MS } from "../../src/testing/conformance/records.ts";
import { Scene } from "../../src/testing/conformance/scene.ts";
import { expect } from "vitest";

/** A store on a server of the test's own, with the moves of the conformance suite. Warnings are not what most cases are about. */
export async function sceneAt(
  options: RedisStoreOptions,
): Promise<{ readonly scene: Scene; readonly store: Store } & AsyncDisposable> {
  const store = await redisStore({ onWarning: () => undefined, ...options });
  const scene = new Scene(store, new ManualClock(START_MS), expect);
  return { scene, store, [Symbol.asyncDispose]: () => store.close() };
}

/** A bare connection, to look at keys and to do harm. */
export function bareClient(url: string): { readonly client: Redis } & Disposable {
  const client = new Redis(url);
  client.on("error", () => undefined);
  return { client, [Symbol.dispose]: () => client.disconnect() };
}

/** Tries until it is no longer refused as unavailable: the driver is connecting again. */
export async function whenBack<T>(act: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (Date.now() > deadline || (error as { code?: string }).code !== "STORE_UNAVAILABLE") throw error;
    }
  }
}
