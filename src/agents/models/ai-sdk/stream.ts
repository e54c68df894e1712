import type { ModelDelta } from "../../../ports/model.ts";
import { readUntilAborted } from "../abort.ts";
import { modelFailure, unreadable } from "../failures.ts";
import { estimateInput, estimateTokens } from "../tokens.ts";
import { type Asked, named, type Result } from "./answer.ts";
import { isRecord } from "./shape.ts";

interface Block {
  readonly type: "text" | "reasoning";
  text: string;
  providerMetadata: unknown;
}

type Part = Readonly<Record<string, unknown>>;

/**
 * Puts the parts of a stream together to what `doGenerate` would have given, telling the pieces on their way. What was received
 * before it broke is billed by the provider, so the error says how much that was.
 */
export class StreamReader {
  readonly #asked: Asked;
  readonly #tell: (delta: ModelDelta) => void;
  readonly #content: unknown[] = [];
  readonly #blocks = new Map<string, Block>();
  readonly #begun = new Set<string>();
  #received = "";
  #end: Part | undefined;
  #model: unknown;

  constructor(asked: Asked, tell: (delta: ModelDelta) => void) {
    this.#asked = asked;
    this.#tell = tell;
  }

  async read(result: unknown, signal: AbortSignal): Promise<Result> {
    const stream = isRecord(result) ? result["stream"] : undefined;
    if (!(stream instanceof ReadableStream)) throw unreadable(named(this.#asked), "expected a stream");
    try {
      for await (const part of readUntilAborted<unknown>(stream, signal)) if (isRecord(part)) this.#take(part);
    } catch (error) {
      if (signal.aborted) throw error;
      throw this.#broken(error);
    }
    if (this.#end === undefined) throw this.#broken(new Error("the stream ended before its answer did"));
    const { finishReason, usage, providerMetadata } = this.#end;
    return { content: this.#content, finishReason, usage, providerMetadata, model: this.#model };
  }

  #broken(error: unknown): Error {
    const usage = {
      inputTokens: estimateInput(this.#asked.request),
      outputTokens: estimateTokens(this.#received),
      estimated: true,
    } as const;
    return modelFailure(error, { model: named(this.#asked), usage });
  }

  #take(part: Part): void {
    switch (part["type"]) {
      case "text-start":
      case "reasoning-start":
        this.#open(part, part["type"] === "text-start" ? "text" : "reasoning");
        return;
      case "text-delta":
      case "reasoning-delta":
        return this.#piece(part, part["type"] === "text-delta" ? "text" : "reasoning");
      case "text-end":
      case "reasoning-end": {
        const block = this.#blocks.get(String(part["id"]));
        if (block && part["providerMetadata"] !== undefined) block.providerMetadata = part["providerMetadata"];
        return;
      }
      case "tool-input-start":
        return this.#begin(part, part["id"]);
      case "tool-input-delta":
        this.#received += typeof part["delta"] === "string" ? part["delta"] : "";
        return;
      case "tool-call":
        this.#begin(part, part["toolCallId"]);
        this.#content.push(part);
        return;
      case "response-metadata":
        this.#model = part["modelId"] ?? this.#model;
        return;
      case "finish":
        this.#end = part;
        return;
      case "error":
        throw part["error"];
      default:
        if (part["type"] === "custom") this.#content.push(part);
    }
  }

  #open(part: Part, type: Block["type"]): Block {
    const block: Block = { type, text: "", providerMetadata: part["providerMetadata"] };
    this.#blocks.set(String(part["id"]), block);
    this.#content.push(block);
    return block;
  }

  #piece(part: Part, type: Block["type"]): void {
    const text = typeof part["delta"] === "string" ? part["delta"] : "";
    const block = this.#blocks.get(String(part["id"])) ?? this.#open(part, type);
    block.text += text;
    if (part["providerMetadata"] !== undefined) block.providerMetadata = part["providerMetadata"];
    this.#received += text;
    if (text !== "") this.#tell({ type, text });
  }

  /** Told once, be it announced before its arguments or not. */
  #begin(part: Part, id: unknown): void {
    const own = String(id);
    if (this.#begun.has(own) || part["providerExecuted"] === true) return;
    this.#begun.add(own);
    this.#tell({ type: "tool-call", id: own, name: String(part["toolName"]) });
  }
}
