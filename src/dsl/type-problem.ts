declare const problem: unique symbol;

/**
 * A type no value has: where it stands, the compiler's message shows `Sentence`. It is put beside the type that is wanted
 * (`boolean | TypeProblem<"…">`), which costs no generics and no conditional types.
 */
export interface TypeProblem<Sentence extends string> {
  readonly [problem]: Sentence;
}

type NoPromise = "this function must be synchronous: do asynchronous work in a .step before it";

/** The result of a predicate, selector or mapper: at once, never a promise. */
export type AtOnce<T> = T | TypeProblem<NoPromise>;

/** For results whose type is inferred: a promise becomes the sentence. */
export type Settles<T> = T extends PromiseLike<unknown> ? TypeProblem<NoPromise> : T;
