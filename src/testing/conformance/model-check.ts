import type { LeasedFiber } from "../../ports/queue.ts";
import type { Transition } from "../../ports/store.ts";
import { checkInvariants } from "../../engine/invariants.ts";
import { seededRandom } from "../random.ts";
import { Model, type ModelFiber, type ModelRun } from "./model.ts";
import { type Beliefs, type Command, CommandGenerator, MODEL_LEASE_MS, REASON, WORKERS } from "./model-commands.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { type Held, heldOf, next } from "./transitions.ts";

const COMMANDS_PER_SEED = 60;
const SEEDS = 200;
/** Seeds per case, so that one case stays short on a store that syncs to disk. */
const SEEDS_PER_CASE = 10;

/** Runs commands against a store and the model side by side. */
class Rehearsal {
  readonly #scene: Scene;
  readonly #model: Model;
  readonly #beliefs: Beliefs = { leases: new Map(), held: [], seenMessages: [] };
  readonly #generator: CommandGenerator;

  constructor(scene: Scene, seed: number) {
    this.#scene = scene;
    this.#model = new Model(scene.clock.now());
    this.#generator = new CommandGenerator(seededRandom(seed), this.#model, this.#beliefs);
  }

  /** Performs one command. Answers what the store did otherwise than the model. */
  async step(): Promise<{ readonly command: Command; readonly wrong: readonly string[] }> {
    const command = this.#generator.next();
    const wrong = [...(await this.#perform(command)), ...(await this.#compare())];
    return { command, wrong };
  }

  async #perform(command: Command): Promise<readonly string[]> {
    const { store, clock } = this.#scene;
    const model = this.#model;
    switch (command.kind) {
      case "register": {
        const { epoch } = await store.register(command.worker, MODEL_LEASE_MS);
        const before = this.#beliefs.leases.get(command.worker)?.epoch ?? 0;
        this.#beliefs.leases.set(command.worker, { worker: command.worker, epoch });
        model.workers.set(command.worker, { epoch, leaseUntil: model.now + MODEL_LEASE_MS });
        return epoch > before ? [] : [`epoch ${epoch} follows ${before}`];
      }
      case "create": {
        const outcomes = await store.createRuns(command.runs);
        const expected = command.runs.map((run) => model.create(run));
        for (const [i, run] of command.runs.entries()) {
          if (expected[i]?.leased === true && run.lease !== undefined) {
            this.#beliefs.held.push({ run: run.id, fiber: run.root.key, lease: run.lease, seq: 0 });
          }
        }
        const found = outcomes.map((one) => (one.status === "created" ? { leased: one.leased } : null));
        return differ("created", found, expected);
      }
      case "claim": {
        const taken = await this.#scene.claim(command.lease, { limit: command.limit });
        this.#beliefs.held.push(...taken.map((fiber: LeasedFiber) => heldOf(fiber, command.lease)));
        return model.claimed(command.lease, command.limit, taken);
      }
      case "commit":
        return this.#commit(command.batch);
      case "signal": {
        const { run, id = "" } = command.message;
        const repeated = model.runs.get(run)?.messageIds.has(id) === true;
        const expected = model.signal(command.message);
        const found = await store.signal(command.message);
        // To a run that has ended, a message that it knew is a duplicate as well as late.
        return expected === "ended" && repeated && found === "duplicate" ? [] : differ("signal", found, expected);
      }
      case "heartbeat": {
        const outcome = await store.heartbeat(command.lease.worker, command.lease.epoch, MODEL_LEASE_MS);
        const told =
          outcome.status === "alive" ? outcome.cancelled.map(({ run, fiber }) => `${run}/${fiber}`) : undefined;
        return differ("heartbeat", told?.toSorted(), model.heartbeat(command.lease, MODEL_LEASE_MS));
      }
      case "advance":
        clock.advance(command.byMs);
        model.now = clock.now();
        return [];
      case "sweep": {
        const { workers, fibers } = await store.sweep();
        return differ("sweep", { workers: workers.toSorted(), fibers }, model.sweep());
      }
      case "cancel":
        return differ("cancel", await store.cancel(command.run, REASON), model.cancel(command.run, REASON));
      case "release": {
        const { lease, only } = command;
        const freed = await store.release(lease.worker, lease.epoch, only && { only });
        return differ("release", freed, model.release(lease, only));
      }
    }
  }

  async #commit(batch: readonly Transition[]): Promise<readonly string[]> {
    const outcomes = await this.#scene.store.commit(batch);
    const expected = batch.map((one) => this.#model.commit(one));
    for (const [i, one] of batch.entries()) if (expected[i]?.status === "committed") this.#believe(one);
    const found = outcomes.map((one, i) => {
      if (one.status !== "committed") return { status: one.status };
      // Nobody is left to stop: whether the last answer names the request is the store's own affair.
      const ended = batch[i]?.position.kind === "ended";
      return { status: one.status, woken: one.woken, cancel: ended ? undefined : one.cancel };
    });
    return differ("commit", found, expected);
  }

  /** The worker goes on with what it held, and with what was born in its hands. Old beliefs stay: they must fail. */
  #believe({ run, fiber, lease, expectedSeq, spawn, startRuns }: Transition): void {
    const mine: Held = { run, fiber, lease, seq: expectedSeq };
    this.#beliefs.held.push(next(mine));
    for (const { key, leased } of spawn) if (leased) this.#beliefs.held.push({ run, fiber: key, lease, seq: 0 });
    for (const one of startRuns) {
      if (one.lease !== undefined)
        this.#beliefs.held.push({ run: one.id, fiber: one.root.key, lease: one.lease, seq: 0 });
    }
    // A few stale beliefs are worth keeping; more would only repeat the same refusal.
    this.#beliefs.held = this.#beliefs.held.slice(-8);
  }

  async #compare(): Promise<readonly string[]> {
    const wrong: string[] = [];
    for (const run of this.#model.runs.values()) {
      const { store } = this.#scene;
      const messages = await store.messages(run.id);
      for (const [i, message] of run.messages.entries()) message.seq = messages[i]?.seq;
      this.#beliefs.seenMessages.push(
        ...messages.map(({ seq }) => seq).filter((seq) => !this.#beliefs.seenMessages.includes(seq)),
      );
      wrong.push(...differ(`status of ${run.id}`, (await store.load(run.id))?.status, this.#model.statusOf(run)));
      wrong.push(
        ...differ(
          `mailbox of ${run.id}`,
          messages.map(({ id, name }) => ({ id, name })),
          run.messages.map(({ id, name }) => ({ id, name })),
        ),
      );
      wrong.push(...differ(`history of ${run.id}`, await this.#scene.facts(run.id), run.facts));
      wrong.push(...differ(`fibers of ${run.id}`, await this.#foundFibers(run), this.#expectedFibers(run)));
    }
    return wrong;
  }

  async #foundFibers(run: ModelRun): Promise<readonly unknown[]> {
    return (await this.#scene.store.fibers(run.id)).map(
      ({ key, seq, state, deliveries, position, owner, readyAt, cancel }) => ({
        key,
        seq,
        state,
        place: this.#place(position === "ended", readyAt, owner),
        ...(position !== "ended" && { cancel, deliveries }),
      }),
    );
  }

  #expectedFibers(run: ModelRun): readonly unknown[] {
    const byKey = (a: ModelFiber, b: ModelFiber): number => (a.key < b.key ? -1 : 1);
    return [...run.fibers.values()]
      .toSorted(byKey)
      .map(({ key, seq, state, deliveries, ended, owner, readyAt, cancel }) => ({
        key,
        seq,
        state,
        place: this.#place(ended !== undefined, readyAt, owner),
        ...(ended === undefined && { cancel, deliveries }),
      }));
  }

  /** Since when a due fiber is due is not compared: a lease given back may keep its old time. */
  #place(ended: boolean, readyAt: number | undefined, owner: Held["lease"] | undefined): string {
    if (ended) return "ended";
    if (owner !== undefined) return `leased by ${owner.worker} in ${owner.epoch}`;
    if (readyAt === undefined) return "never due";
    return readyAt <= this.#model.now ? "due" : `due at ${readyAt}`;
  }
}

const differ = (what: string, found: unknown, expected: unknown): readonly string[] => {
  const [left, right] = [JSON.stringify(found) ?? "nothing", JSON.stringify(expected) ?? "nothing"];
  return left === right ? [] : [`${what}: expected ${right} but found ${left}`];
};

async function rehearse(scene: Scene, seed: number): Promise<void> {
  const rehearsal = new Rehearsal(scene, seed);
  const done: string[] = [];
  const fail = (wrong: readonly string[]): never => {
    throw new Error(
      `seed ${seed}, command ${done.length}:\n- ${wrong.join("\n- ")}\nlast commands:\n${done.slice(-3).join("\n")}`,
    );
  };
  for (let i = 0; i < COMMANDS_PER_SEED; i++) {
    const { command, wrong } = await rehearsal.step();
    done.push(JSON.stringify(command));
    if (wrong.length > 0) fail(wrong);
  }
  const broken = await checkInvariants(scene.store, { now: scene.clock.now() });
  if (broken.length > 0) fail(broken);
}

export const modelled: AspectSuite = {
  aspect: "model",
  title: `does what a simple model does, with ${WORKERS.length} workers at random (I1, I2, I5, I6, I9, I11)`,
  define({ it, underTest, openScene }) {
    const seeds = underTest.seeds ?? SEEDS;
    for (let first = 1; first <= seeds; first += SEEDS_PER_CASE) {
      const last = Math.min(seeds, first + SEEDS_PER_CASE - 1);
      it(`agrees for ${COMMANDS_PER_SEED} commands of seeds ${first} to ${last}`, async () => {
        for (let seed = first; seed <= last; seed++) {
          await using opened = await openScene();
          await rehearse(opened.scene, seed);
        }
      });
    }
  },
};
