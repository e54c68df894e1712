import type { Message } from "../../ports/model.ts";
import type { GovernancePolicy } from "./governor.ts";
import { type Pairs, showFrom, type Veil } from "./veil.ts";
import { type Rewrite, throughList, throughWire } from "./wire-text.ts";

/** Lets everything pass. Source: Flujo, governance mode allow_all. */
export const allowAll: GovernancePolicy = {
  name: "allow_all",
  decide: () => ({ kind: "allow" }),
  allowsTool: () => true,
};

/** Lets nothing pass: no model, no tool. Source: Flujo, governance mode deny_all. */
export const denyAll: GovernancePolicy = {
  name: "deny_all",
  decide: () => ({ kind: "deny", reason: "nothing is allowed here" }),
  allowsTool: () => false,
};

/** Only tools of these names are shown to models, and called. */
export function toolAllowList(names: readonly string[]): GovernancePolicy {
  const allowed = new Set(names);
  return { name: "tool_allow_list", allowsTool: (name) => allowed.has(name) };
}

export interface PiiScrubOptions {
  readonly veil: Veil;
  /** `model`: what is sent to models. `everywhere`: what is stored and logged, too. */
  readonly mode: "model" | "everywhere";
}

/**
 * Models get placeholders for what identifies people and opens doors; what they answer about those is about the originals
 * again, as far as they were in this very request: a placeholder that a model has heard elsewhere brings nothing back.
 */
export function piiScrub({ veil, mode }: PiiScrubOptions): GovernancePolicy {
  return {
    name: "pii_scrub",
    decide: async ({ messages }) => {
      const pairs: Pairs = new Map();
      const scrubbed = await veil.conceal(
        (hide) => throughList(messages, (one) => throughConversation(one, hide)),
        pairs,
      );
      if (scrubbed === messages) return { kind: "allow" };
      const show: Rewrite = (text) => showFrom((placeholder) => pairs.get(placeholder), text);
      return { kind: "replace", messages: scrubbed, restore: (wire) => throughWire(wire, show) };
    },
    ...(mode === "everywhere" && { everywhere: veil }),
  };
}

/** A message with its texts, arguments and answers rewritten. What the provider wants back unread is signed, and stays. */
function throughConversation(message: Message, rewrite: Rewrite): Message {
  switch (message.role) {
    case "system":
    case "user": {
      const text = rewrite(message.text);
      return text === message.text ? message : { ...message, text };
    }
    case "assistant": {
      const calls = message.calls && throughList(message.calls, (call) => withField(call, "arguments", rewrite));
      const text = rewrite(message.text);
      return text === message.text && calls === message.calls ? message : { ...message, text, ...(calls && { calls }) };
    }
    case "tool": {
      const answers = throughList(message.answers, (answer) => withField(answer, "output", rewrite));
      return answers === message.answers ? message : { ...message, answers };
    }
  }
}

function withField<Field extends string, T extends { readonly [field in Field]: Parameters<typeof throughWire>[0] }>(
  record: T,
  field: Field,
  rewrite: Rewrite,
): T {
  const after = throughWire(record[field], rewrite);
  return after === record[field] ? record : { ...record, [field]: after };
}
