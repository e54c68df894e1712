import { runId, type RunId } from "../../domain/ids.ts";
import { messageName } from "../../domain/event.ts";
import { forkRun, retryRun } from "../../engine/revive.ts";
import type { Random } from "../random.ts";
import type { Cluster, Member } from "./cluster.ts";
import { SIGNALS } from "./flows.ts";
import { Violation } from "./trace.ts";

/** How long a client waits for an answer before it asks another process, with the same id. */
const PATIENCE_MS = 1_500;

/** People and programs outside the cluster: they start runs, signal, answer and cancel, and repeat what nobody confirmed. */
export class Clients {
  readonly #cluster: Cluster;
  readonly #random: Random;
  #unstarted = 0;
  #finishing = 0;
  readonly runs: RunId[] = [];
  readonly #waiting = new Map<symbol, { readonly run: RunId; readonly member: Member }>();
  #forks = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#random = cluster.random.fork();
  }

  /** Every start was confirmed. */
  get satisfied(): boolean {
    return this.#unstarted === 0;
  }

  /** Runs that have ended, for whose results a process that lives still waits. */
  get unheard(): readonly RunId[] {
    const waiting = [...this.#waiting.values()].filter(({ member }) => this.#cluster.listening.includes(member));
    return waiting.flatMap(({ run }) => (this.#cluster.tables.runs.get(run)?.endedAt === undefined ? [] : [run]));
  }

  begin(runs: number): void {
    const { loop } = this.#cluster;
    const random = this.#random;
    for (let i = 0; i < runs; i++) {
      const id = runId(`r${i}`);
      this.runs.push(id);
      this.#unstarted += 1;
      loop.after(random.int(0, 4_000), () => this.#start(id, random.int(0, 1_000)));
      if (random.chance(0.4)) loop.after(random.int(0, 8_000), () => this.#await(id));
      if (random.chance(0.3)) loop.after(random.int(3_000, 12_000), () => this.#retry(id));
      if (random.chance(0.1)) loop.after(random.int(1_000, 9_000), () => this.#fork(id));
      if (random.chance(0.12)) loop.after(random.int(500, 12_000), () => this.#cancel(id));
    }
    const signals = random.int(0, 3 * runs);
    for (let i = 0; i < signals; i++) {
      const send = (): void => this.#signal(this.#anyRun(), random.pick(SIGNALS) ?? "alpha", `s${i}`);
      loop.after(random.int(0, 12_000), send);
      if (random.chance(0.3)) loop.after(random.int(0, 12_000), send);
    }
    for (let i = 0; i < runs; i++) loop.after(random.int(0, 15_000), () => this.#answerSome());
  }

  #start(id: RunId, input: number): void {
    const flow = this.#random.pick(this.#cluster.flows);
    if (flow === undefined) return;
    const { startAt } = this.#random.chance(0.1) ? { startAt: this.#cluster.loop.now + 700 } : { startAt: undefined };
    const { key } = this.#random.chance(0.5) ? { key: this.#random.pick(["red", "blue"]) } : { key: undefined };
    const limits = this.#cluster.money?.limits();
    this.#ask(
      (member) =>
        member.engine.start(flow, input, {
          id,
          ...(startAt !== undefined && { startAt }),
          ...(key !== undefined && { key }),
          ...(limits !== undefined && { limits }),
        }),
      () => {
        this.#unstarted -= 1;
      },
    );
  }

  /** Asks one process after another until one confirms. */
  #ask(request: (member: Member) => Promise<unknown>, confirmed: () => void): void {
    const { loop } = this.#cluster;
    let over = false;
    const again = (delayMs: number): void => {
      loop.after(delayMs, () => {
        if (!over) attempt();
      });
    };
    const attempt = (): void => {
      const member = this.#random.pick(this.#cluster.listening);
      if (member === undefined) return again(200);
      let heard = false;
      request(member).then(
        () => {
          heard = true;
          if (over) return;
          over = true;
          confirmed();
        },
        () => {
          if (heard) return;
          heard = true;
          again(100);
        },
      );
      loop.after(PATIENCE_MS, () => {
        if (heard) return;
        heard = true;
        if (!over) attempt();
      });
    };
    attempt();
  }

  /** Once, or twice: whoever lost the answer asks again with the same id. */
  #signal(run: RunId, name: string, id: string): void {
    const member = this.#random.pick(this.#cluster.listening);
    const { store } = this.#cluster;
    if (member === undefined || this.#random.chance(0.3)) {
      void store.signal({ run, id, name: messageName.signal(name), data: id, sentAt: this.#cluster.loop.now });
      this.#cluster.note("client", `signals ${run} ${name} (${id})`);
      return this.#check();
    }
    member.engine.messages.signal(run, name, id, { id }).catch(() => undefined);
  }

  #cancel(run: RunId): void {
    const member = this.#random.pick(this.#cluster.listening);
    this.#cluster.note("client", `cancels ${run}`);
    member?.engine.cancel(run, "the client changed its mind").catch(() => undefined);
  }

  /** Waits for a result in some process; what it hears must be what the store says. */
  #await(run: RunId): void {
    const member = this.#random.pick(this.#cluster.listening);
    if (member === undefined) return;
    const ticket = Symbol(run);
    this.#waiting.set(ticket, { run, member });
    member.engine
      .result(run, "end")
      .then(
        ({ status }) => this.#cluster.guard(() => this.#compare(run, status)),
        () => undefined, // it was not known yet, or the process was told to stop
      )
      .finally(() => this.#waiting.delete(ticket));
  }

  #compare(run: RunId, heard: string): void {
    const row = this.#cluster.tables.runs.get(run);
    const isRetried = row?.events.some(({ facts }) => JSON.stringify(facts).includes('"run.retried"'));
    if (row?.status !== heard && isRetried !== true)
      throw new Violation(`whoever waited for ${run} heard ${heard}, but it is ${row?.status ?? "unknown"}`);
  }

  #retry(id: RunId): void {
    const member = this.#random.pick(this.#cluster.listening);
    if (member === undefined) return;
    const { store, payloads, registry, ambient } = member.engine;
    this.#cluster.weather.troubles += 1; // a failed step runs its first attempt once more
    retryRun({ store, payloads, registry, now: ambient.clock.now() }, id).then(
      () => this.#cluster.note("client", `has ${id} retried`),
      () => undefined,
    );
  }

  #fork(from: RunId): void {
    const member = this.#random.pick(this.#cluster.listening);
    const events = this.#cluster.tables.runs.get(from)?.events ?? [];
    const at = this.#random.pick(events)?.seq;
    if (member === undefined || at === undefined) return;
    const { store, payloads, registry, ambient } = member.engine;
    const id = runId(`fork${this.#forks++}`);
    this.#cluster.note("client", `forks ${from} at ${at} as ${id}`);
    forkRun({ store, payloads, registry, now: ambient.clock.now() }, from, { id, at }).catch(() => undefined);
  }

  #answerSome(): void {
    const member = this.#random.pick(this.#cluster.listening);
    if (member === undefined) return;
    for (const run of this.#cluster.tables.runs.values()) {
      if (run.endedAt !== undefined || !this.#random.chance(0.5)) continue;
      member.engine.messages.answer(run.id, this.#random.int(0, 9), undefined).catch(() => undefined);
    }
  }

  /** Ends every wait that is open, again and again: from now on nothing is left unanswered. */
  finish(): void {
    const { tables, store, loop } = this.#cluster;
    for (const run of tables.runs.values()) {
      if (run.endedAt !== undefined) continue;
      for (const row of run.fibers.values()) {
        if (row.wait?.kind !== "human" && row.wait?.kind !== "signal") continue;
        const [name] = this.#random.shuffle(row.names);
        if (name === undefined || run.messages.some((message) => message.name === name)) continue;
        const id = `finish-${this.#finishing++}`;
        void store.signal({ run: run.id, id, name, data: id, sentAt: loop.now });
        this.#cluster.note("client", `answers ${run.id}/${row.key} ${name}`);
      }
    }
    this.#check();
  }

  #check(): void {
    this.#cluster.guard(() => this.#cluster.oracle.check());
  }

  #anyRun(): RunId {
    return this.#random.pick(this.runs) ?? runId("r0");
  }
}
