import type { RedisConnection } from "./client.ts";
import { isUnknownScript, storeError } from "./errors.ts";
import { type Operation, SCRIPTS } from "./scripts.ts";

/** The keys of one partition and the way to them. All of them lie in one slot, so each script is one atomic step. */
export class Partition {
  /** What every key begins with. */
  readonly prefix: string;
  readonly where: string;
  readonly #connection: RedisConnection;
  readonly #now: () => string;
  readonly #known = new Set<Operation>();

  /** `now` answers an empty text for the clock of the server. */
  constructor(
    connection: RedisConnection,
    prefix: string,
    { where, now }: { readonly where: string; readonly now: () => string },
  ) {
    this.#connection = connection;
    this.prefix = prefix;
    this.where = where;
    this.#now = now;
  }

  /** One plain command on one key. */
  async send(command: string, key: string, ...args: readonly string[]): Promise<unknown> {
    try {
      return await this.#connection.send(this.prefix, command, this.prefix + key, ...args);
    } catch (error) {
      throw storeError(error, this.where);
    }
  }

  /** A command that is not about a key of this partition. */
  async ask(command: string, ...args: readonly string[]): Promise<unknown> {
    try {
      return await this.#connection.send(this.prefix, command, ...args);
    } catch (error) {
      throw storeError(error, this.where);
    }
  }

  async run(name: Operation, ...args: readonly string[]): Promise<unknown> {
    const { text, sha } = SCRIPTS[name];
    const rest = ["1", this.prefix, this.#now(), ...args];
    try {
      const answer = await this.#connection.send(this.prefix, "EVALSHA", sha, ...rest);
      this.#known.add(name);
      return answer;
    } catch (error) {
      if (!isUnknownScript(error)) throw storeError(error, this.where);
      this.#known.delete(name);
    }
    try {
      const answer = await this.#connection.send(this.prefix, "EVAL", text, ...rest);
      this.#known.add(name);
      return answer;
    } catch (error) {
      throw storeError(error, this.where);
    }
  }

  /** Whether the server knew the script when it was asked last. */
  knows(name: Operation): boolean {
    return this.#known.has(name);
  }

  hear(channel: string, heard: (text: string) => void): Promise<() => Promise<void>> {
    return this.#connection.hear(channel, heard);
  }
}
