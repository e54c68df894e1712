import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Flujo, FlujoOptions } from "flujo";
import type { Store } from "../../src/ports/store.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { memoryStore } from "../../src/testing.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import type { Backend, Place } from "../setup/backends.ts";
import { KnownFlujo, replayedOtherwise } from "./replays.ts";
import { ambientOf, quietly, type VirtualClock } from "./clock.ts";

/** The stores that every behaviour is tested on. */
export const STORES = ["memory", "sqlite"] as const;
export type StoreName = (typeof STORES)[number];

/**
 * One store in a folder of its own, and whatever was opened on it: closed, examined and removed at the end of its test.
 *
 *   await using scene = new Scene("sqlite");
 *   const flujo = scene.open({ flows: [review] });
 */
export class Scene implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "flujo-scene-"));
  readonly #name: string;
  readonly #clock: VirtualClock | undefined;
  readonly #opened: KnownFlujo[] = [];
  /** Of a server, which each Flujo reaches through a store of its own, as from a process of its own. */
  readonly #place: Place | undefined;
  readonly #stores: Promise<Store>[] = [];
  #impure: string | undefined;
  #memory: Store | undefined;
  #sqlite: Store | undefined;

  constructor(on: StoreName | Backend, clock?: VirtualClock) {
    this.#name = typeof on === "string" ? on : on.name;
    this.#clock = clock;
    if (typeof on !== "string" && this.#name !== "sqlite") this.#place = on.place?.(this.folder);
  }

  /** Where another process finds the same store. */
  get address(): Address {
    return this.#place?.address ?? { kind: "sqlite", path: this.path("flujo.db") };
  }

  /** What a process of its own would be given as `store`. */
  get uri(): string {
    return `sqlite:${join(this.folder, "flujo.db")}`;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Another Flujo on the same store. */
  open(options: FlujoOptions = {}): Flujo {
    const flujo = new KnownFlujo({
      store: this.#store(),
      ...(this.#clock && { ambient: ambientOf(this.#clock, this.#opened.length + 1) }),
      ...options,
    });
    this.#opened.push(flujo);
    return flujo;
  }

  /** Its flows decide by more than their values: a replay must see that. Say what they look at. */
  decidesBy(what: string): void {
    this.#impure = what;
  }

  /** The store itself, to look behind the surface. */
  async store(): Promise<Store> {
    const store = this.#store();
    if (typeof store !== "string") return store;
    return (this.#sqlite ??= await sqliteStore({ path: this.path("flujo.db") }));
  }

  #store(): string | Store | Promise<Store> {
    if (this.#name === "sqlite") return this.uri;
    if (this.#place !== undefined) {
      const clock = this.#clock;
      const store = openAt(this.#place.address, { clock }).then((one) =>
        clock === undefined ? one : quietly(one, clock),
      );
      this.#stores.push(store);
      return clock?.during(store) ?? store;
    }
    return (this.#memory ??= memoryStore(this.#clock && { clock: this.#clock }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const clock = this.#clock;
    const patiently = <T>(work: Promise<T>): Promise<T> => (clock === undefined ? work : clock.until(work, 60_000));
    try {
      for (const flujo of this.#opened) await patiently(flujo.close());
      const doctor = this.open({ worker: false });
      const ill = await patiently(doctor.doctor());
      const otherwise = await patiently(replayedOtherwise(doctor, this.#opened));
      await patiently(doctor.close());
      if (ill.length > 0) throw new Error(`The store is not in order:\n${ill.join("\n")}`);
      const impure = this.#impure;
      if (impure === undefined && otherwise.length > 0)
        throw new Error(`Runs are replayed otherwise:\n${otherwise.join("\n")}`);
      if (impure !== undefined && otherwise.length === 0)
        throw new Error(`A replay does not see that flows decide by ${impure}`);
    } finally {
      await this.#memory?.close();
      await this.#sqlite?.close();
      for (const store of this.#stores) await (await store).close();
      await this.#place?.[Symbol.asyncDispose]();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}
