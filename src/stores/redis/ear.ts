import type { Subscriber } from "./client.ts";

type Heard = (text: string) => void;

/** One connection for all channels that are heard, open while there is one. */
export class Ear {
  readonly #open: () => Promise<Subscriber>;
  readonly #channels = new Map<string, Set<Heard>>();
  #subscriber: Promise<Subscriber> | undefined;

  constructor(open: () => Promise<Subscriber>) {
    this.#open = open;
  }

  /** Resolves once the channel is heard, to the way out. */
  async hear(channel: string, heard: Heard): Promise<() => Promise<void>> {
    const listeners = this.#channels.get(channel) ?? new Set();
    const listener: Heard = (text) => heard(text);
    this.#channels.set(channel, listeners.add(listener));
    try {
      this.#subscriber ??= this.#open();
      const subscriber = await this.#subscriber;
      // Also for the second listener: the first one's call may be under way still, and asking twice changes nothing.
      await subscriber.subscribe(channel, (text) => this.#tell(channel, text));
    } catch (error) {
      await this.#leave(channel, listener);
      throw error;
    }
    return () => this.#leave(channel, listener);
  }

  #tell(channel: string, text: string): void {
    for (const listener of this.#channels.get(channel) ?? []) listener(text);
  }

  async #leave(channel: string, listener: Heard): Promise<void> {
    const listeners = this.#channels.get(channel);
    if (listeners?.delete(listener) !== true || listeners.size > 0) return;
    this.#channels.delete(channel);
    const opened = this.#subscriber;
    const isLast = this.#channels.size === 0;
    if (isLast) this.#subscriber = undefined; // whoever comes meanwhile opens another one
    const subscriber = await opened?.catch(() => undefined); // it never opened: nothing to leave
    if (isLast) subscriber?.end();
    else await subscriber?.unsubscribe(channel);
  }
}
