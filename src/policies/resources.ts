import { FlujoError } from "../domain/errors.ts";
import { isScoped, type ScopedResource } from "../definition/scoped.ts";

type Bag = Readonly<Record<string, unknown>>;
type Warn = (message: string, fields: Bag) => void;

/** What was opened under one lifetime: each name once, when it is first looked at; closed once, the last opened first. */
class Lifetime {
  readonly #ctx: unknown;
  readonly #warn: Warn;
  readonly #opened = new Map<string, { readonly by: ScopedResource; readonly resource: unknown }>();
  #over = false;

  constructor(ctx: unknown, warn: Warn) {
    this.#ctx = ctx;
    this.#warn = warn;
  }

  reach(name: string, by: ScopedResource): unknown {
    const known = this.#opened.get(name);
    if (known !== undefined) return known.resource;
    if (this.#over) throw new FlujoError("RESOURCE_CLOSED", `the resource ${name} is closed: its ${by.per} is over`);
    const resource = by.open(this.#ctx as never);
    this.#opened.set(name, { by, resource });
    // One that could not be opened is tried again by whoever asks next.
    if (resource instanceof Promise) resource.catch(() => this.#opened.delete(name));
    return resource;
  }

  /** Undefined where nothing is open. */
  close(error: unknown): Promise<void> | undefined {
    this.#over = true;
    return this.#opened.size === 0 ? undefined : this.#close(error);
  }

  async #close(error: unknown): Promise<void> {
    const opened = [...this.#opened].reverse();
    this.#opened.clear();
    for (const [name, { by, resource }] of opened) {
      try {
        const open = await settled(resource);
        if (open !== undefined) await shut(by, open.resource, error);
      } catch (thrown) {
        this.#warn(`the resource ${name} could not be closed`, { error: thrown });
      }
    }
  }
}

/** What could not be opened needs no closing; whoever looked at it was told. */
async function settled(resource: unknown): Promise<{ readonly resource: unknown } | undefined> {
  if (!(resource instanceof Promise)) return { resource };
  return resource.then(
    (open: unknown) => ({ resource: open }),
    () => undefined,
  );
}

async function shut({ close }: ScopedResource, resource: unknown, error: unknown): Promise<void> {
  if (close !== undefined) return void (await close(resource as never, error));
  if (typeof resource !== "object" || resource === null) return;
  if (Symbol.asyncDispose in resource) await (resource as AsyncDisposable)[Symbol.asyncDispose]();
  else if (Symbol.dispose in resource) (resource as Disposable)[Symbol.dispose]();
}

/** What of the resources one attempt reaches. */
export interface AttemptResources {
  readonly all: Bag;
  /** Closes what the attempt opened. Undefined when that is nothing. */
  close(error: unknown): Promise<void> | undefined;
}

/** The resources of a runner. Where none has a lifetime, an attempt is given the very object that the author gave. */
export class Resources {
  readonly #given: Bag;
  readonly #plain: AttemptResources;
  readonly #scoped: readonly (readonly [string, ScopedResource])[];
  readonly #process: Lifetime;

  constructor(given: Bag, warn: Warn) {
    this.#given = given;
    this.#plain = { all: given, close: () => undefined };
    this.#scoped = Object.entries(given).filter((entry): entry is [string, ScopedResource] => isScoped(entry[1]));
    this.#process = new Lifetime(undefined, warn);
  }

  /** `warn`: where the attempt's own log goes. */
  forAttempt(ctx: unknown, warn: Warn): AttemptResources {
    if (this.#scoped.length === 0) return this.#plain;
    const attempt = new Lifetime(ctx, warn);
    return { all: this.#reaching(attempt), close: (error) => attempt.close(error) };
  }

  /** Without `attempt`, only what needs none. */
  #reaching(attempt: Lifetime | undefined): Bag {
    const all: Record<string, unknown> = { ...this.#given };
    for (const [name, by] of this.#scoped) {
      const lifetime = by.per === "process" ? this.#process : attempt;
      if (lifetime === undefined) delete all[name];
      else Object.defineProperty(all, name, { enumerable: true, get: () => lifetime.reach(name, by) });
    }
    return all;
  }

  /** What needs no attempt. */
  get shared(): Bag {
    return this.#scoped.length === 0 ? this.#given : this.#reaching(undefined);
  }

  /** Those that live as long as the process. Idempotent. */
  async close(): Promise<void> {
    await this.#process.close(undefined);
  }
}
