import { createHash } from "node:crypto";
import { canonical } from "../../domain/canonical.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { StepContext } from "../../dsl/context.ts";
import type { Embedder } from "../../ports/model.ts";
import type { VectorMatch, VectorMetadata, VectorQuery, VectorStore } from "../../ports/vector.ts";
import type { AgentContext } from "../agent-context.ts";
import { embedded, paidEmbedding, type Vectors } from "./paid-embedding.ts";

/** A text to remember. */
export interface MemoryEntry {
  readonly text: string;
  readonly metadata?: VectorMetadata;
  /** Remembering under an id again replaces what it stood for. Default: a hash of text and metadata, so once is enough. */
  readonly id?: string;
}

/** Texts that are found again by what they mean. Source: Flujo, MemoryManager. */
export interface Memory {
  /** Answers the id under which it can be forgotten. Throws what the embedder throws, VECTOR_INVALID, STORE_…. */
  remember(text: string, metadata?: VectorMetadata): Promise<string>;
  /** Several with one call of the embedder. */
  rememberAll(entries: readonly MemoryEntry[]): Promise<readonly string[]>;
  /** What comes nearest to a text, or to a vector that you have: then no embedder is asked. The nearest first; 5 by default. */
  retrieve(query: string | readonly number[], options?: VectorQuery): Promise<readonly VectorMatch[]>;
  /** How many there were. */
  forget(ids: readonly string[]): Promise<number>;
}

/**
 * A memory over a vector store: `memory(await sqliteVectors({ path }), embedder)`. Nobody's budget pays for its embeddings; in a
 * step, `memoryOf(ctx)` takes them from the budget of the run. The store stays yours to close.
 */
export const memory = (store: VectorStore, embedder: Embedder): Memory => new MemoryManager(store, embedder);

const RESOURCE = "memory";

/** What a step, or a tool, has of its context. */
type Reader = Pick<StepContext<unknown>, "resources" | "signal">;

/**
 * The runner's memory (`new Flujo({ memory: … })`, or a `memory` of its resources) for one attempt of a step or one call of a tool:
 * embeddings are reserved and paid for like model calls, and stop with the attempt. Throws OPTION_INVALID where there is none.
 *
 *   const known = await memoryOf(ctx).retrieve(question, { limit: 3 });
 */
export function memoryOf(ctx: Reader): Memory {
  const found = ctx.resources[RESOURCE];
  if (!(found instanceof MemoryManager))
    throw new FlujoError("OPTION_INVALID", "this runner has no memory: new Flujo({ memory: { store, embedder } })");
  return found.for(ctx);
}

const paysFor = (ctx: Reader): ctx is Pick<AgentContext, "agency" | "signal" | "resources"> => "agency" in ctx;

type Embed = (texts: readonly string[]) => Promise<Vectors>;

const NEVER = new AbortController().signal;

export class MemoryManager implements Memory {
  readonly #store: VectorStore;
  readonly #embedder: string | Embedder;
  readonly #embed: Embed;

  /** Only with `for` and `until` the embedder may be a name. */
  constructor(store: VectorStore, embedder: string | Embedder, embed: Embed = plainly(embedder, NEVER)) {
    this.#store = store;
    this.#embedder = embedder;
    this.#embed = embed;
  }

  for(ctx: Reader): Memory {
    const choice = this.#embedder;
    const embed: Embed = paysFor(ctx)
      ? async (texts) => paidEmbedding(ctx, { embedder: await ctx.agency.embedder(choice), texts })
      : plainly(choice, ctx.signal);
    return new MemoryManager(this.#store, choice, embed);
  }

  /** For work beside the runs, which its owner may call off. */
  until(signal: AbortSignal, find: (choice: string | Embedder) => Promise<Embedder>): Memory {
    const embed: Embed = async (texts) => plainly(await find(this.#embedder), signal)(texts);
    return new MemoryManager(this.#store, this.#embedder, embed);
  }

  async remember(text: string, metadata: VectorMetadata = {}): Promise<string> {
    const [id = ""] = await this.rememberAll([{ text, metadata }]);
    return id;
  }

  async rememberAll(entries: readonly MemoryEntry[]): Promise<readonly string[]> {
    if (entries.length === 0) return [];
    const vectors = await this.#embed(entries.map(({ text }) => text));
    const items = entries.map(({ text, metadata = {}, id = idOf(text, metadata) }, i) => ({
      id,
      vector: vectors[i] ?? [],
      text,
      metadata,
    }));
    await this.#store.add(items);
    return items.map(({ id }) => id);
  }

  async retrieve(query: string | readonly number[], options: VectorQuery = {}): Promise<readonly VectorMatch[]> {
    const vector = typeof query === "string" ? ((await this.#embed([query]))[0] ?? []) : query;
    return this.#store.query(vector, options);
  }

  forget(ids: readonly string[]): Promise<number> {
    return this.#store.delete(ids);
  }
}

const plainly =
  (embedder: string | Embedder, signal: AbortSignal): Embed =>
  async (texts) => {
    if (typeof embedder === "string")
      throw new FlujoError("OPTION_INVALID", `"${embedder}" is found by a runner: use memoryOf(ctx) in its steps`);
    return (await embedded({ embedder, texts }, signal)).vectors;
  };

/** Steps run at least once: what the second attempt remembers is what the first one did. */
const idOf = (text: string, metadata: VectorMetadata): string =>
  createHash("sha256")
    .update(canonical([text, metadata]))
    .digest("hex");
