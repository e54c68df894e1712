import type { OutboxEntry } from "../../ports/shard.ts";
import { applyAll } from "./apply.ts";
import type { Carrier } from "./carrier.ts";
import { isUnavailable, type Member } from "./member.ts";
import { targetOf } from "./split.ts";

/** Entries per look into an outbox. */
const PAGE = 200;

/*
 * What one shard has to do to another lies in the first one's outbox, committed with the transition that wants it:
 *
 *   commit ──► outbox ──► applied on the other shard ──► outboxDone
 *
 * A crash in between leaves an entry that has or has not been applied; applying it again changes nothing. Whoever applies an entry
 * applies all older ones to the same run first, as the outbox shows them, so messages from one run to another arrive in order,
 * whichever process relays.
 */
export class Relay {
  readonly #members: readonly Member[];
  readonly #carrier: Carrier;
  /** From where to where something was left behind: it goes with the next sweep, or before the next effect on its run. */
  readonly #stuck = new Set<string>();

  constructor(members: readonly Member[], carrier: Carrier) {
    this.#members = members;
    this.#carrier = carrier;
  }

  /** Whether this process knows of entries that it could not relay. */
  get behind(): boolean {
    return this.#stuck.size > 0;
  }

  /** The commit of these entries was not answered: they may be there. */
  doubt(source: Member, entries: readonly OutboxEntry[]): void {
    for (const { to } of entries) this.#stuck.add(way(source, to));
  }

  /** Relays what has just been committed. Never fails: what could not be relayed is durable, and the next sweep's. */
  async deliver(source: Member, entries: readonly OutboxEntry[]): Promise<void> {
    const targets = [...new Set(entries.map(({ to }) => to))];
    await Promise.all(targets.map(async (to) => this.#deliverTo(source, to, entries)));
  }

  async #deliverTo(source: Member, to: number, entries: readonly OutboxEntry[]): Promise<void> {
    try {
      if (this.#member(to).down) this.#stuck.add(way(source, to));
      else
        await this.#pass(
          source,
          to,
          entries.filter((entry) => entry.to === to),
        );
    } catch {
      this.#stuck.add(way(source, to)); // the sweep says why, if it fails there too
    }
  }

  /** Relays everything that lies in outboxes, between shards that can be reached. Throws what is not their being away. */
  async sweep(): Promise<void> {
    const reachable = this.#members.filter(({ down }) => !down);
    const failures = (await Promise.all(reachable.map(async (source) => this.#drain(source)))).flat();
    for (const failure of failures) if (!isUnavailable(failure)) throw failure;
  }

  /** Whether nothing is left in the outbox of this shard, after trying. */
  async empties(source: Member): Promise<boolean> {
    await this.#drain(source);
    return (await source.ask((store) => store.outbox(1))).length === 0;
  }

  async #drain(source: Member): Promise<readonly unknown[]> {
    try {
      const oldest = await source.ask((store) => store.outbox(PAGE));
      const others = this.#members.filter((member) => member !== source);
      const failures = others.map(async (target): Promise<readonly unknown[]> => {
        const some = oldest.length === PAGE || oldest.some(({ to }) => to === target.index);
        if (some) return target.down ? [] : this.#drainTo(source, target);
        this.#stuck.delete(way(source, target.index));
        return [];
      });
      return (await Promise.all(failures)).flat();
    } catch (error) {
      return [error];
    }
  }

  async #drainTo(source: Member, { index: to }: Member): Promise<readonly unknown[]> {
    try {
      for (;;) {
        const page = await source.ask((store) => store.outbox(PAGE, to));
        await this.#apply(source, to, page);
        if (page.length < PAGE) break;
      }
      this.#stuck.delete(way(source, to));
      return [];
    } catch (error) {
      this.#stuck.add(way(source, to));
      return [error];
    }
  }

  /** These entries, after all older ones to the same runs. Behind a full page of others: all of it, in order. */
  async #pass(source: Member, to: number, entries: readonly OutboxEntry[]): Promise<void> {
    const runs = new Set(entries.map(({ effect }) => targetOf(effect)));
    const open = new Set(entries.map(({ id }) => id));
    while (open.size > 0) {
      const page = await source.ask((store) => store.outbox(PAGE, to));
      const ids = new Set(page.map(({ id }) => id));
      const within = page.length < PAGE || [...open].every((id) => ids.has(id));
      const chosen = within ? page.filter(({ effect }) => runs.has(targetOf(effect))) : page;
      await this.#apply(source, to, chosen);
      if (within) return; // what is not on the page was relayed by somebody else
      for (const { id } of chosen) open.delete(id);
    }
  }

  /** Applies entries and takes them out of the outbox, as far as it goes. */
  async #apply(source: Member, to: number, entries: readonly OutboxEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const target = this.#member(to);
    const carried = await Promise.all(entries.map(async (entry) => this.#carried(source, entry)));
    const { done, failure } = await target.ask(async (store) => applyAll(store, carried));
    if (done.length > 0) await source.ask((store) => store.outboxDone(done));
    if (failure === undefined) return;
    if (isUnavailable(failure)) target.down = true;
    throw failure;
  }

  /** With the large values that it refers to: the other shard does not have them. */
  async #carried(source: Member, entry: OutboxEntry): Promise<OutboxEntry> {
    const { effect } = entry;
    switch (effect.kind) {
      case "cancel":
        return entry;
      case "send":
        return { ...entry, effect: { ...effect, message: await this.#carrier.message(effect.message, source) } };
      case "start":
        return { ...entry, effect: { ...effect, run: await this.#carrier.run(effect.run, source) } };
    }
  }

  #member(index: number): Member {
    const member = this.#members[index];
    if (member === undefined) throw new Error(`expected one of ${this.#members.length} shards but found ${index}`);
    return member;
  }
}

const way = (from: Member, to: number): string => `${from.index}>${to}`;
