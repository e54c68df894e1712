import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FlujoError } from "../../../domain/errors.ts";
import type { ModelRequest } from "../../../ports/model.ts";
import { untilAborted } from "../abort.ts";
import { isRecord } from "../openai/answer.ts";
import { failureParts, pause, REAL_CLOCK, retryHeaders } from "../scripted/play.ts";
import { answerOf, chunksOf, resolveStep, type ScriptedAnswer, type ScriptStep } from "../scripted/script.ts";
import { chunksOfCompletion, completion, embeddingsFor, requestFrom } from "./replies.ts";

export interface MockServerOptions {
  /** What to say to a request. Throws MODEL_SCRIPT_BROKEN where the script has no answer; the client then gets a 500. */
  readonly next: (request: ModelRequest) => ScriptStep;
  /** Names for /v1/models. Default: "mock". */
  readonly models?: readonly string[];
  /** Default 127.0.0.1: nobody else's business. */
  readonly host?: string;
  /** Default 0: any that is free. */
  readonly port?: number;
}

export interface MockServer extends AsyncDisposable {
  /** For clients: `http://127.0.0.1:40123/v1`. */
  readonly url: string;
  /** Bodies of what was asked so far, and the headers. */
  readonly requests: readonly {
    readonly path: string;
    readonly body: unknown;
    readonly headers: IncomingMessage["headers"];
  }[];
}

type Json = Readonly<Record<string, unknown>>;

const MAX_BODY_BYTES = 33_554_432; // 32 MiB, as the client takes
const NAMES: readonly string[] = ["mock"];

/** A server with the interface of OpenAI that says what a script says: whole, streamed, slowly, wrongly or not at all. Throws OPTION_INVALID. */
export async function mockServer(options: MockServerOptions): Promise<MockServer> {
  const { host = "127.0.0.1", port = 0 } = options;
  const place = new Place(options);
  const server = createServer((request, response) => void place.serve(request, response));
  await listening(server, host, port);
  const { port: found } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${found}/v1`,
    requests: place.requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const listening = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(new FlujoError("OPTION_INVALID", `cannot listen on ${host}:${port}: ${error.message}`, { cause: error })),
    );
    server.listen(port, host, resolve);
  });

class Place {
  readonly requests: { readonly path: string; readonly body: unknown; readonly headers: IncomingMessage["headers"] }[] =
    [];
  readonly #next: MockServerOptions["next"];
  readonly #models: readonly string[];
  #count = 0;

  constructor({ next, models = NAMES }: MockServerOptions) {
    this.#next = next;
    this.#models = models;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      await this.#answer(request, response, gone.signal);
    } catch (error) {
      if (gone.signal.aborted) return; // nobody is left to be told
      if (response.headersSent) return void response.destroy();
      const said = error instanceof Error ? error.message : String(error);
      send(response, error instanceof SyntaxError ? 400 : 500, problem(said));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const path = (request.url ?? "/").split("?")[0]?.replace(/^\/v1/, "") ?? "/";
    if (request.method === "GET" && path === "/models") {
      return send(response, 200, {
        object: "list",
        data: this.#models.map((id) => ({ id, object: "model", owned_by: "flujo" })),
      });
    }
    if (request.method !== "POST" || (path !== "/chat/completions" && path !== "/embeddings")) {
      return send(response, 404, problem(`no ${request.method} ${path} here`));
    }
    const body = await bodyOf(request);
    this.requests.push({ path, body, headers: request.headers });
    if (path === "/embeddings") return send(response, 200, embeddingsFor(body));
    this.#count += 1;
    const asked = requestFrom(body);
    await perform(resolveStep(this.#next(asked), asked), { asked, body, number: this.#count }, { response, signal });
  }
}

interface Asked {
  readonly asked: ModelRequest;
  readonly body: Json;
  readonly number: number;
}

interface Client {
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
}

async function perform(step: ScriptedAnswer, what: Asked, client: Client): Promise<void> {
  const { response, signal } = client;
  if (step.hang === true) return untilAborted(signal, new Promise<never>(() => undefined));
  await pause(step.delayMs ?? 0, signal, REAL_CLOCK);
  if (step.error instanceof Error) throw step.error;
  if (step.error !== undefined && step.chunks === undefined) {
    const { status = 500, retryAfterMs, message = "scripted failure" } = failureParts(step.error);
    return send(response, status, problem(message), retryHeaders(retryAfterMs));
  }
  if (what.body["stream"] === true) return streamed(step, what, client);
  if (step.dropped === true || step.error !== undefined) return void response.destroy();
  if (step.malformed === true) return sendText(response, 200, '{"choices": [{"message": {"content": "he');
  send(response, 200, completion(answerOf(step, what.asked, what.number), String(what.body["model"]), what.number));
}

async function streamed(
  step: ScriptedAnswer,
  { asked, body, number }: Asked,
  { response, signal }: Client,
): Promise<void> {
  const { stream_options: wanted } = body;
  const withUsage = isRecord(wanted) && wanted["include_usage"] === true;
  const pieces = step.chunks ?? chunksOf(step).flatMap((text) => text.match(/\S+\s*|\s+/g) ?? []);
  const { text, rest } = chunksOfCompletion(answerOf(step, asked, number), pieces, {
    model: String(body["model"]),
    number,
    withUsage,
  });
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (const [index, chunk] of text.entries()) {
    if (index > 1) await pause(step.delayMs ?? 0, signal, REAL_CLOCK);
    await written(response, `data: ${JSON.stringify(chunk)}\n\n`, signal);
  }
  if (step.dropped === true) return void response.destroy();
  if (step.malformed === true) return void response.end('data: {"choices": [{"delta\n\n');
  if (step.error !== undefined && !(step.error instanceof Error)) {
    const { status = 500, message = "scripted failure" } = failureParts(step.error);
    return void response.end(`data: ${JSON.stringify({ error: { message, code: status } })}\n\n`);
  }
  response.end([...rest.map((chunk) => JSON.stringify(chunk)), "[DONE]"].map((data) => `data: ${data}\n\n`).join(""));
}

/** Out of the process, so that what is dropped afterwards does not take it along. */
const written = (response: ServerResponse, text: string, signal: AbortSignal): Promise<void> =>
  untilAborted(signal, new Promise((resolve) => response.write(text, () => resolve())));

async function bodyOf(request: IncomingMessage): Promise<Json> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    if (bytes > MAX_BODY_BYTES) throw new SyntaxError(`expected at most ${MAX_BODY_BYTES} bytes`);
    pieces.push(piece);
  }
  const body: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  if (!isRecord(body)) throw new SyntaxError("expected a JSON object");
  return body;
}

const problem = (message: string): Json => ({ error: { message, type: "mock_error" } });

const send = (
  response: ServerResponse,
  status: number,
  body: Json,
  headers: Readonly<Record<string, string>> = {},
): void => sendText(response, status, JSON.stringify(body), headers);

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(text);
}
