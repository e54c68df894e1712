import { appendFile, readFile } from "node:fs/promises";
import { canonical } from "../../domain/canonical.ts";
import { DelayedError } from "../../domain/delayed-error.ts";
import { type ErrorCode, ERRORS, FlujoError } from "../../domain/errors.ts";
import { sha256 } from "../../domain/sha256.ts";
import type { Wire } from "../../domain/wire.ts";
import type { GenerateOptions, Model, ModelAnswer, ModelRequest } from "../../ports/model.ts";
import { nearestTo } from "./cassette-miss.ts";
import { isSecretName, withoutKeys } from "./secrets.ts";
import { tellWhole } from "./tool-calls.ts";

/*
 * What models answered, kept in a file and played again without them. One line of JSON for each call:
 *
 *   {"version":1,"key":"<sha-256 of the request>","model":"openai:gpt-4o","request":{…},"answer":{…}}     or "error":{code,message,delayMs}
 *
 * Keys and what looks like one are written as "[secret]", in requests and in answers; the hash is of what is written, so a request
 * with another key finds the same line. Each line is one append, so processes may record to one file.
 */

interface Line {
  readonly version: 1;
  readonly key: string;
  readonly model: string;
  readonly request: Wire;
  readonly answer?: ModelAnswer;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly delayMs?: number };
}

/** Asks the model and keeps what it said in a file (JSON Lines), failures too. What is there already stays. */
export function recordModel(model: Model, file: string): Model {
  const keep = async (request: ModelRequest, what: Pick<Line, "answer" | "error">): Promise<void> => {
    const { key, asked } = keyOf(model, request);
    const line = { version: 1, key, model: `${model.provider}:${model.id}`, request: asked, ...what };
    await appendFile(file, `${JSON.stringify(withoutSecrets(plain(line)))}\n`);
  };
  const { provider, id, price, asks } = model;
  return {
    provider,
    id,
    ...(price && { price }),
    ...(asks && { asks }),
    generate: async (request, options) => {
      try {
        const answer = await model.generate(request, options);
        await keep(request, { answer });
        return answer;
      } catch (error) {
        if (error instanceof FlujoError && !options.signal.aborted) await keep(request, { error: errorLine(error) });
        throw error;
      }
    },
  };
}

const errorLine = (error: FlujoError): NonNullable<Line["error"]> => ({
  code: error.code,
  message: error.message,
  ...(error instanceof DelayedError && { delayMs: error.delayMs }),
});

/**
 * Plays what was recorded of a model, in the order in which equal requests were made; after the last of them it is said again.
 * `model` names what was recorded, for a cassette of several. A request that is not on it throws CASSETTE_MISS with what differs
 * from the nearest one. Throws OPTION_INVALID for a file that is no cassette.
 */
export async function replayModel(file: string, model?: Pick<Model, "provider" | "id" | "price">): Promise<Model> {
  const lines = linesOf(file, await textOf(file));
  const named = model ?? nameOf(file, lines);
  const byKey = new Map<string, Line[]>();
  for (const line of lines) byKey.set(line.key, [...(byKey.get(line.key) ?? []), line]);
  const played = new Map<string, number>();
  return {
    ...named,
    generate: async (request, { signal, onDelta }: GenerateOptions) => {
      signal.throwIfAborted();
      const { key, asked } = keyOf(named, request);
      const found = byKey.get(key) ?? [];
      const turn = played.get(key) ?? 0;
      played.set(key, turn + 1);
      const line = found[Math.min(turn, found.length - 1)];
      if (line === undefined) throw miss(file, asked, lines);
      if (line.answer === undefined) throw errorFrom(line);
      tellWhole(line.answer, onDelta);
      return line.answer;
    },
  };
}

/** The request as it is written, and the hash of that: model, messages, tools, schema and settings. */
function keyOf(
  { provider, id }: Pick<Model, "provider" | "id">,
  request: ModelRequest,
): { readonly key: string; readonly asked: Wire } {
  const { messages, tools = [], output = null, settings } = request;
  const asked = withoutSecrets(plain({ model: `${provider}:${id}`, messages, tools, output, settings }));
  return { key: sha256(canonical(asked)), asked };
}

/** Requests and answers are JSON already; only what is undefined goes. */
const plain = (value: unknown): Wire => JSON.parse(JSON.stringify(value)) as Wire;

function withoutSecrets(wire: Wire): Wire {
  if (typeof wire === "string") return withoutKeys(wire);
  if (typeof wire !== "object" || wire === null) return wire;
  if (Array.isArray(wire)) return wire.map(withoutSecrets);
  const entries = Object.entries(wire as { readonly [key: string]: Wire }).map(([name, value]): [string, Wire] =>
    isSecretName(name) && typeof value === "string" ? [name, "[secret]"] : [name, withoutSecrets(value)],
  );
  return Object.fromEntries(entries);
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new FlujoError("OPTION_INVALID", `the cassette ${file} cannot be read: record it first`, { cause: error });
  }
}

function linesOf(file: string, text: string): readonly Line[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const read = lineFrom(line);
    if (read !== undefined) return [read];
    throw new FlujoError("OPTION_INVALID", `${file}:${index + 1}: expected a line that recordModel wrote`);
  });
}

function lineFrom(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line;
    const known = line.error === undefined || Object.hasOwn(ERRORS, line.error.code);
    return line.version === 1 && typeof line.key === "string" && known ? line : undefined;
  } catch {
    return undefined; // its place is told instead: the text may be anything
  }
}

function nameOf(file: string, lines: readonly Line[]): Pick<Model, "provider" | "id"> {
  const names = [...new Set(lines.map(({ model }) => model))];
  const [name = ""] = names;
  if (names.length !== 1) {
    throw new FlujoError(
      "OPTION_INVALID",
      `${file} has ${names.length} models: name the one to play (${names.join(", ")})`,
    );
  }
  const colon = name.indexOf(":");
  return { provider: name.slice(0, colon), id: name.slice(colon + 1) };
}

function errorFrom({ error }: Line): FlujoError {
  const { code, message, delayMs } = error ?? { code: "CASSETTE_MISS", message: "a line without answer" };
  return delayMs === undefined ? new FlujoError(code, message) : new DelayedError(code, message, { delayMs });
}

function miss(file: string, asked: Wire, lines: readonly Line[]): FlujoError {
  const differences = nearestTo(
    asked,
    lines.map(({ request }) => request),
  );
  const what =
    lines.length === 0
      ? "it is empty"
      : `the nearest of ${lines.length} recordings differs at ${differences.join("; ")}`;
  return new FlujoError("CASSETTE_MISS", `${file} has no answer to this request: ${what}`, {
    details: { file, differences },
  });
}
