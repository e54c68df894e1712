import type { Wire } from "../../../domain/wire.ts";
import { isRecord, type ProviderOptions, type PromptPart } from "./shape.ts";

/*
 * What a provider wants back unread with the next request (signatures of reasoning, ids of items), kept in `provider` of an
 * assistant's message: the parts of its answer in their order, because some providers insist on it. Texts and arguments are not
 * kept twice: a part of text says how long it is, a call is found by its id.
 */
export type MemoPart =
  | { readonly type: "text"; readonly length: number; readonly meta?: Wire }
  | { readonly type: "reasoning"; readonly text: string; readonly meta?: Wire }
  | { readonly type: "custom"; readonly kind: string; readonly meta?: Wire }
  | { readonly type: "tool-call"; readonly id: string; readonly meta?: Wire };

export interface Memo {
  /** Nobody else can read it. */
  readonly by: string;
  readonly parts: readonly MemoPart[];
}

/** Undefined when the provider wants nothing back. */
export const memoOf = (by: string, parts: readonly MemoPart[]): Wire | undefined =>
  parts.some((part) => part.meta !== undefined || part.type === "custom")
    ? ({ aiSdk: { by, parts } } as unknown as Wire)
    : undefined;

interface Said {
  readonly text: string;
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly arguments: Wire }[];
  readonly provider?: Wire;
}

/** The parts of an assistant's message, as this provider gave them, or plainly when another one did. */
export function partsOf(said: Said, by: string): readonly PromptPart[] {
  const memo = memoFrom(said.provider, by)?.parts ?? [];
  const calls = new Map((said.calls ?? []).map((call) => [call.id, call]));
  const texts = textsOf(said.text, memo);
  const parts: PromptPart[] = [];
  for (const part of memo) {
    const providerOptions = optionsOf(part.meta);
    if (part.type === "reasoning") parts.push({ type: "reasoning", text: part.text, ...providerOptions });
    if (part.type === "custom") parts.push({ type: "custom", kind: part.kind, ...providerOptions });
    if (part.type === "text") {
      const text = texts.shift() ?? "";
      if (text !== "") parts.push({ type: "text", text, ...providerOptions }); // empty ones are refused by some
    }
    const call = part.type === "tool-call" ? calls.get(part.id) : undefined;
    if (call === undefined) continue;
    calls.delete(call.id);
    parts.push({ ...callPart(call), ...providerOptions });
  }
  const rest = texts.filter((text) => text !== "").map((text): PromptPart => ({ type: "text", text }));
  return [...rest, ...parts, ...[...calls.values()].map(callPart)];
}

/** The text cut as it came. One that was changed since (by governance, by an author) is whole again: nobody knows where it was cut. */
function textsOf(text: string, memo: readonly MemoPart[]): string[] {
  const lengths = memo.flatMap((part) => (part.type === "text" ? [part.length] : []));
  if (lengths.reduce((sum, length) => sum + length, 0) !== text.length) return [text];
  let at = 0;
  return lengths.map((length) => text.slice(at, (at += length)));
}

const callPart = (call: { readonly id: string; readonly name: string; readonly arguments: Wire }): PromptPart => ({
  type: "tool-call",
  toolCallId: call.id,
  toolName: call.name,
  input: call.arguments,
});

const optionsOf = (meta: Wire | undefined): { readonly providerOptions?: ProviderOptions } =>
  isRecord(meta) ? { providerOptions: meta } : {};

function memoFrom(provider: Wire | undefined, by: string): Memo | undefined {
  if (!isRecord(provider) || !isRecord(provider["aiSdk"])) return undefined;
  const memo = provider["aiSdk"] as unknown as Memo;
  return memo.by === by && Array.isArray(memo.parts) ? memo : undefined;
}
