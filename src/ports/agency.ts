import type { Fact } from "../domain/event.ts";
import type { Spending } from "../domain/quota.ts";
import type { Wire } from "../domain/wire.ts";
import type { Embedder, Message, Model, ModelRequest, PriceBook } from "./model.ts";

/** What the step of an agent may use of the process that runs it; reached as `ctx.agency`. Plain steps never look at it. */
export interface Agency {
  /** The model itself, or what a string such as "openai:gpt-4o" names. Throws MODEL_UNKNOWN, DEPENDENCY_MISSING, MODEL_KEY_MISSING. */
  readonly model: (choice: string | Model) => Promise<Model>;
  readonly embedder: (choice: string | Embedder) => Promise<Embedder>;
  readonly prices: PriceBook;
  readonly governor: Governor;
  readonly spend: Spend;
  /**
   * Facts of this line of execution so far, oldest first: what earlier turns recorded. Large values are references; `inflate`
   * brings them. Not asked for while the same process goes on with an agent.
   */
  readonly journal: () => Promise<readonly Fact[]>;
  readonly inflate: (wire: Wire) => Promise<Wire>;
  /** Kept as long as this process holds the line of execution: a place for what the journal would tell again. */
  readonly memo: Map<string, unknown>;
  /** The worst that a request may cost. Undefined cost: no price is known. */
  readonly estimate: (model: Model, request: ModelRequest, hints?: EstimateHints) => Estimate;
  /** What of an agent must be as it was when its run began; see AgentStepOptions. */
  readonly fingerprint: "strict" | "compat";
  readonly answers: AnswerDefaults;
}

/** For agents that say nothing of it themselves. Absent: what their options say is the default. */
export interface AnswerDefaults {
  /** How far an answer is bent towards its schema. */
  readonly level?: 0 | 1 | 2;
  /** How often text in quotes is unpacked, to find the answer in it. */
  readonly maxUnescapeDepth?: number;
  /** Whether the schema is sent to the provider, which then holds the model to it where it can. Default true. */
  readonly sendsSchema?: boolean;
}

/** What an author knows of a call better than any table. */
export interface EstimateHints {
  readonly expectedCostUsd?: number;
  readonly expectedTokens?: number;
}

export interface Estimate {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costMicroUsd: number | undefined;
}

/** Paying for work, in three moves; see domain/quota.ts. */
export interface Spend {
  /** Cost is limited, by the run or by an account that pays for it: what has no price cannot be paid for. */
  readonly needsPrice: boolean;
  /**
   * Durable before it resolves. Throws COST_LIMIT_EXCEEDED, TOKEN_LIMIT_EXCEEDED or QUOTA_EXCEEDED, and PRICING_NOT_CONFIGURED
   * where cost is limited and `amount.costMicroUsd` is unknown (undefined).
   */
  reserve(amount: Omit<Spending, "costMicroUsd"> & { readonly costMicroUsd: number | undefined }): Promise<Reservation>;
}

export interface Reservation {
  /** Once. Recorded with the outcome of the step, or with the next reservation. An unsettled one counts as spent in full. */
  settle(spent: Spending): void;
}

/** The rules of the house around models and tools. */
export interface Governor {
  /** Whether a tool may be shown to a model, and called. Counted. */
  readonly allowsTool: (name: string) => boolean;
  /**
   * Policies in their order, before a model is called. May replace the messages (what identifies people becomes placeholders);
   * `restore` brings the originals back into texts and arguments that come from the model. Throws GOVERNANCE_DENIED.
   */
  readonly beforeModel: (about: {
    readonly agent: string;
    readonly run: string;
    readonly messages: readonly Message[];
  }) => Promise<{ readonly messages: readonly Message[]; readonly restore: (wire: Wire) => Wire }>;
}
