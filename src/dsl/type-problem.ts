declare const problem: unique symbol;

/**
 * A type no value has: where it stands, the compiler's message shows `Sentence`. Beside the type that is wanted
 * (`boolean | TypeProblem<"…">`) it costs no generics and no conditional types.
 *
 * Never give an alias to a whole TypeProblem: the compiler would print the alias. Alias the sentence.
 */
export interface TypeProblem<Sentence extends string> {
  readonly [problem]: Sentence;
}

/** Beside the result of a predicate, selector or mapper, a promise is refused with this sentence. */
export type Synchronous = "this function must be synchronous: do asynchronous work in a .step before it";

/** For results whose type is inferred: a promise becomes the sentence. */
export type Settles<T> = T extends PromiseLike<unknown> ? TypeProblem<Synchronous> : T;
