const SCOPED = Symbol.for("flujo.scoped");

/** A resource with a lifetime, as the runner's `resources` may hold it; made by `scoped`. */
export interface ScopedResource {
  readonly per: "attempt" | "process";
  /** `ctx`: of the attempt; of a process there is none. */
  readonly open: (ctx: never) => unknown;
  readonly close: ((resource: never, error: unknown) => unknown) | undefined;
}

/** Marked, because a client of somebody else may well have an `open` and a `close`. */
export const markScoped = (resource: ScopedResource): ScopedResource => Object.assign(resource, { [SCOPED]: true });

export const isScoped = (value: unknown): value is ScopedResource =>
  typeof value === "object" && value !== null && SCOPED in value;
