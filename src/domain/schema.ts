import type { StandardSchemaV1 } from "@standard-schema/spec";

/** Any validator that speaks Standard Schema: zod, valibot, arktype and others. */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;
export type OutputOf<S extends Schema> = StandardSchemaV1.InferOutput<S>;

/** One thing wrong with a value, and where in it. */
export interface Issue {
  readonly path: string;
  readonly message: string;
}

export type Validated =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: readonly Issue[] };

function pathText(path: StandardSchemaV1.Issue["path"]): string {
  let text = "$";
  for (const segment of path ?? []) {
    const key = typeof segment === "object" ? segment.key : segment;
    text += typeof key === "number" ? `[${key}]` : `.${String(key)}`;
  }
  return text;
}

const verdict = (result: StandardSchemaV1.Result<unknown>): Validated =>
  result.issues === undefined
    ? { ok: true, value: result.value }
    : { ok: false, issues: result.issues.map((issue) => ({ path: pathText(issue.path), message: issue.message })) };

/** Validates once, at the border. Stays synchronous when the schema does: hot paths pay for no promise. */
export function validate(schema: Schema, value: unknown): Validated | Promise<Validated> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then(verdict) : verdict(result);
}

/** Issues on one line: `$.url: expected string; $.age: …`. */
export const issuesText = (issues: readonly Issue[]): string =>
  issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
