import type { LeasedFiber } from "../../ports/queue.ts";
import type { Transition } from "../../ports/store.ts";
import { checkInvariants } from "../../engine/invariants.ts";
import { seededRandom } from "../random.ts";
import { Model, type ModelFiber, type ModelRun } from "./model.ts";
import { type Beliefs, type Command, CommandGenerator, MODEL_LEASE_MS, REASON, WORKERS } from "./model-commands.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { type Held, heldOf, next } from "./transitions.ts";

/*
 * Many short sequences find more than few long ones: what is broken shows within a few commands of the right kind, and a store
 * begins empty with each. Every fifth is long, for what takes time to build up. One of 60 costs what five of 15 cost with the
 * store that each of them opens.
 */
const SEEDS = 500;
const COMMANDS = 15;
const LONG_COMMANDS = 60;
const LONG_EVERY = 5;
/** Seeds per case, so that one case stays short on a store that syncs to disk. */
const SEEDS_PER_CASE = 25;
/** Every so many commands all runs are compared, also those of which the model says that nothing has changed. */
const ALL_EVERY = 8;

interface Trial {
  readonly seed: number;
  readonly commands: number;
  /** Whether the store promises the order of claims over all runs. */
  readonly ordered: boolean;
}

/** Runs commands against a store and the model side by side. */
class Rehearsal {
  readonly #scene: Scene;
  readonly #model: Model;
  readonly #beliefs: Beliefs = { leases: new Map(), held: [], seenMessages: [] };
  readonly #generator: CommandGenerator;
  /** What the store was found to agree with, by run. */
  readonly #agreed = new Map<string, string>();

  constructor(scene: Scene, { seed, ordered }: Trial) {
    this.#scene = scene;
    this.#model = new Model(scene.clock.now(), ordered);
    this.#generator = new CommandGenerator(seededRandom(seed), this.#model, this.#beliefs);
  }

  /** Performs one command. Answers what the store did otherwise than the model. */
  async step(which: "all" | "changed"): Promise<{ readonly command: Command; readonly wrong: readonly string[] }> {
    const command = this.#generator.next();
    const wrong = [...(await this.#perform(command)), ...(await this.#compare(which))];
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

  /** Reading all runs after each command would be four fifths of the time of a store on a server. */
  async #compare(which: "all" | "changed"): Promise<readonly string[]> {
    const wrong: string[] = [];
    for (const run of this.#model.runs.values()) {
      if (which === "changed" && this.#agreed.get(run.id) === this.#pictureOf(run)) continue;
      wrong.push(...(await this.#compareRun(run)));
      this.#agreed.set(run.id, this.#pictureOf(run));
    }
    return wrong;
  }

  /** With the numbers of messages: one that took the place of its like has none yet. */
  #pictureOf(run: ModelRun): string {
    return JSON.stringify([this.#expected(run), run.messages.map(({ seq }) => seq)]);
  }

  #expected(run: ModelRun): readonly unknown[] {
    return [this.#model.statusOf(run), mailboxOf(run.messages), run.facts, this.#expectedFibers(run)];
  }

  async #compareRun(run: ModelRun): Promise<readonly string[]> {
    const { store } = this.#scene;
    const [record, messages, facts, fibers] = await Promise.all([
      store.load(run.id),
      store.messages(run.id),
      this.#scene.facts(run.id),
      this.#foundFibers(run),
    ]);
    for (const [i, message] of run.messages.entries()) message.seq = messages[i]?.seq;
    const { seenMessages } = this.#beliefs;
    seenMessages.push(...messages.map(({ seq }) => seq).filter((seq) => !seenMessages.includes(seq)));
    const found = [record?.status, mailboxOf(messages), facts, fibers];
    const parts = ["status", "mailbox", "history", "fibers"];
    return this.#expected(run).flatMap((expected, i) => differ(`${parts[i]} of ${run.id}`, found[i], expected));
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

const mailboxOf = (
  messages: readonly { readonly id?: string | undefined; readonly name: string }[],
): readonly unknown[] => messages.map(({ id, name }) => ({ id, name }));

const differ = (what: string, found: unknown, expected: unknown): readonly string[] => {
  const [left, right] = [JSON.stringify(found) ?? "nothing", JSON.stringify(expected) ?? "nothing"];
  return left === right ? [] : [`${what}: expected ${right} but found ${left}`];
};

async function rehearse(scene: Scene, trial: Trial): Promise<void> {
  const rehearsal = new Rehearsal(scene, trial);
  const done: string[] = [];
  const fail = (wrong: readonly string[]): never => {
    throw new Error(
      `seed ${trial.seed}, command ${done.length}:\n- ${wrong.join("\n- ")}\nlast commands:\n${done.slice(-ALL_EVERY).join("\n")}`,
    );
  };
  for (let i = 1; i <= trial.commands; i++) {
    const { command, wrong } = await rehearsal.step(i % ALL_EVERY === 0 || i === trial.commands ? "all" : "changed");
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
    const short = underTest.commands ?? COMMANDS;
    const long = Math.max(short, LONG_COMMANDS);
    const ordered = underTest.lacks?.order === undefined;
    for (let first = 1; first <= seeds; first += SEEDS_PER_CASE) {
      const last = Math.min(seeds, first + SEEDS_PER_CASE - 1);
      it(
        `agrees for ${short} or ${long} commands of seeds ${first} to ${last}`,
        async () => {
          for (let seed = first; seed <= last; seed++) {
            await using opened = await openScene();
            await rehearse(opened.scene, { seed, ordered, commands: seed % LONG_EVERY === 0 ? long : short });
          }
        },
        { checked: false }, // each has a scene and a clock of its own, which the case's does not know
      );
    }
  },
};
