import type { Model } from "../../../ports/model.ts";
import { readUntilAborted, untilAborted } from "../abort.ts";
import { isRecord } from "./answer.ts";

/** Where a server is and how to speak to it. */
export interface Endpoint {
  readonly model: Pick<Model, "provider" | "id" | "price">;
  /** Up to and with `/v1`. */
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the headers, what nobody may read. */
  readonly secrets: readonly string[];
  readonly fetch: typeof globalThis.fetch;
}

export interface Call {
  readonly path: string;
  readonly body: unknown;
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_BYTES = 33_554_432; // 32 MiB: the longest answers are 1 MB, vectors of a large batch 20 MB; more is no answer
const MAX_ERROR_BYTES = 65_536; // its reason is in the first line or nowhere

/** POSTs JSON. What it rejects with `modelFailure` can read: a SyntaxError is an unreadable answer. */
export async function post(endpoint: Endpoint, { path, body, signal, headers }: Call): Promise<Response> {
  const response = await untilAborted(
    signal,
    endpoint.fetch(`${endpoint.baseUrl.replace(/\/+$/, "")}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...endpoint.headers, ...headers },
      body: JSON.stringify(body),
      signal,
    }),
  );
  if (response.ok) return response;
  let text = "";
  for await (const piece of texts(response, signal)) {
    text += piece;
    if (text.length > MAX_ERROR_BYTES) break;
  }
  throw Object.assign(new Error(reasonIn(text) ?? (response.statusText || "no reason given")), {
    status: response.status,
    headers: response.headers,
  });
}

/** The body as text, piece by piece. */
export async function* texts({ body }: Response, signal: AbortSignal): AsyncGenerator<string, void> {
  if (body === null) return;
  const decoder = new TextDecoder();
  let bytes = 0;
  for await (const piece of readUntilAborted<Uint8Array>(body, signal)) {
    bytes += piece.byteLength;
    if (bytes > MAX_BYTES) throw new SyntaxError(`expected at most ${MAX_BYTES} bytes`);
    yield decoder.decode(piece, { stream: true });
  }
  yield decoder.decode();
}

export async function json(response: Response, signal: AbortSignal): Promise<unknown> {
  let text = "";
  for await (const piece of texts(response, signal)) text += piece;
  return parsed(text);
}

/** The error does not repeat the text, as the engine's own would. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError(`expected JSON but found ${text.length} characters of something else`);
  }
}

/** `{"error":{"message"}}`, `{"error":"…"}` or `{"message"}`, by maker. */
function reasonIn(text: string): string | undefined {
  try {
    return reasonOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function reasonOf(body: unknown): string | undefined {
  if (!isRecord(body)) return undefined;
  const { error = body } = body;
  if (typeof error === "string") return error;
  return isRecord(error) && typeof error["message"] === "string" ? error["message"] : undefined;
}
