import type { Blob, NewMessage, NewRun } from "../../ports/store.ts";
import { blobsIn, json } from "../../ports/stored-text.ts";
import { isUnavailable, type Member } from "./member.ts";

/** Large values live with the runs that have them. A run or a message that refers to one of another shard brings it along. */
export class Carrier {
  readonly #members: readonly Member[];

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  /** The run with all blobs that it refers to. They are looked for on `first` first. */
  async run(run: NewRun, first?: Member): Promise<NewRun> {
    const { input, root, event, continued = null } = run;
    const missing = await this.#missing([input, root, event.facts, continued], run.blobs, first);
    return missing.length === 0 ? run : { ...run, blobs: [...run.blobs, ...missing] };
  }

  async message(message: NewMessage, first?: Member): Promise<NewMessage> {
    const { blobs = [] } = message;
    const missing = await this.#missing(message.data, blobs, first);
    return missing.length === 0 ? message : { ...message, blobs: [...blobs, ...missing] };
  }

  /** Those that are nowhere are left out: whoever reads the value will say so. */
  async #missing(value: unknown, given: readonly Blob[], first: Member | undefined): Promise<readonly Blob[]> {
    const known = new Set(given.map(({ hash }) => hash));
    const found: Blob[] = [];
    for (const hash of hashesIn(value)) {
      const large = known.has(hash) ? undefined : await this.find(hash, first);
      if (large !== undefined) found.push({ hash, text: large });
    }
    return found;
  }

  /** Asks one shard after another. Throws when those that answer do not have it and another does not answer. */
  async find(hash: string, first?: Member): Promise<string | undefined> {
    const order = first === undefined ? this.#members : [first, ...this.#members.filter((one) => one !== first)];
    let failure: Error | undefined;
    for (const member of order) {
      try {
        const text = await member.ask((store) => store.blob(hash));
        if (text !== undefined) return text;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        failure = error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }
}

/** What cannot be written refers to nothing: the shard that is asked to keep it says what is wrong with it. */
function hashesIn(value: unknown): ReadonlySet<string> {
  try {
    return new Set(blobsIn(json(value)));
  } catch {
    return new Set();
  }
}
