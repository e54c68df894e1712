import { randomBytes } from "node:crypto";
import { FlujoError } from "../../domain/errors.ts";
import type { ItemStore } from "../../ports/items.ts";
import { apart, type Detector, findAll, type Finding, type SlowDetector } from "./detector.ts";
import { builtInDetectors } from "./detectors.ts";
import { checkKind, LITERAL, placeholderFor, placeholders } from "./placeholder.ts";
import { Recent } from "./recent.ts";
import { Remembered } from "./remembered.ts";
import { derivedKey, Vault } from "./vault.ts";
import type { Rewrite } from "./wire-text.ts";

export interface VeilOptions {
  /**
   * The secret behind the placeholders, 16 characters at least: with it every process makes the same ones. Without it this
   * process has a secret of its own, and what it conceals stays concealed once it has ended.
   */
  readonly key?: string;
  /** Where originals are kept, encrypted, for other processes with the same key. Needs `key`. */
  readonly items?: ItemStore;
  /** Also by the words around: names, dates of birth, addresses. Default false. */
  readonly strong?: boolean;
  /** Besides those built in. */
  readonly detectors?: readonly Detector[];
  /** Services that are asked, for what goes to a store or a model. Not for log lines, which cannot wait. */
  readonly slow?: readonly SlowDetector[];
  /** Characters of originals kept in memory. Default 16,777,216. */
  readonly memoryCharacters?: number;
}

const KEY_CHARACTERS = 16;
const MEMORY_CHARACTERS = 16_777_216; // some 200,000 addresses
const LEAST_CHARACTERS = 4; // shorter texts identify nobody

/** What every built-in detector needs to see once at least, the strong ones apart. */
const CANDIDATE = /[0-9@]|:\/\/|-----BEGIN|[A-Za-z0-9_-]{20}/;

/** Pairs of a placeholder and its original. */
export type Pairs = Map<string, string>;

/**
 * Puts placeholders where people and secrets stand in texts, and the originals back. The same original has the same
 * placeholder, so that what compares, joins and hashes texts goes on working with concealed ones.
 *
 *   const veil = new Veil({ key, items: store });
 *   const hidden = await veil.conceal((hide) => throughWire(wire, hide));
 *   const shown = await veil.reveal((show) => throughWire(hidden, show));
 *
 * `visit` hands each text to the function that it is given, and may be called more than once: first to see what there is to ask
 * others for. Bringing back is exact: a text that looks like a known placeholder, sent by somebody who has seen one, is put
 * behind a placeholder itself, so that it never becomes the original of another.
 */
export class Veil {
  readonly #key: Uint8Array;
  readonly #detectors: readonly Detector[];
  readonly #slow: readonly SlowDetector[];
  readonly #vault: Vault | undefined;
  readonly #remembered: Remembered;
  readonly #recent = new Recent();
  readonly #onlyBuiltIn: boolean;

  /** Throws OPTION_INVALID for a short key, for items without a key, and for a detector whose kind is none. */
  constructor({ key, items, strong = false, detectors = [], slow = [], memoryCharacters }: VeilOptions = {}) {
    if (key !== undefined && key.length < KEY_CHARACTERS)
      throw new FlujoError(
        "OPTION_INVALID",
        `expected a key of at least ${KEY_CHARACTERS} characters but found ${key.length}`,
      );
    if (key === undefined && items !== undefined)
      throw new FlujoError(
        "OPTION_INVALID",
        "expected a key for originals that are kept: without it nobody could open them",
      );
    for (const { kind } of [...detectors, ...slow]) checkKind(kind);
    this.#key = key === undefined ? randomBytes(32) : derivedKey(key, "placeholder");
    this.#vault = key === undefined || items === undefined ? undefined : new Vault(items, key);
    this.#detectors = [...detectors, ...builtInDetectors({ strong })];
    this.#slow = slow;
    this.#remembered = new Remembered(memoryCharacters ?? MEMORY_CHARACTERS);
    this.#onlyBuiltIn = !strong && detectors.length === 0;
  }

  /** Originals are durable in the vault when it resolves. `used` receives the pairs. Throws what a slow detector or the store throws. */
  async conceal<T>(visit: (hide: Rewrite) => T, used: Pairs = new Map()): Promise<T> {
    const slowly = await this.#askSlow(visit);
    const doubtful = new Set<string>();
    const pass = (): T => visit((text) => this.#hidden(text, { used, doubtful, slowly }));
    let concealed = pass();
    if (await this.#learn(doubtful)) concealed = pass();
    await this.keep(used);
    return concealed;
  }

  /** Without asking anybody and without keeping originals: for log lines, and inside of transactions. */
  concealNow<T>(visit: (hide: Rewrite) => T, used: Pairs = new Map()): T {
    return visit((text) => this.#hidden(text, { used, doubtful: new Set(), slowly: NOTHING }));
  }

  /** Makes originals durable that `concealNow` has used. */
  async keep(used: Pairs): Promise<void> {
    if (this.#vault === undefined) return;
    const fresh = new Map([...used].filter(([placeholder]) => !this.#remembered.isKept(placeholder)));
    if (fresh.size === 0) return;
    await this.#vault.put(fresh);
    for (const placeholder of fresh.keys()) this.#remembered.kept(placeholder);
  }

  /** Placeholders of another secret, and those forgotten, stay. */
  async reveal<T>(visit: (show: Rewrite) => T): Promise<T> {
    const missing = new Set<string>();
    const pass = (): T => visit((text) => showFrom((known) => this.#remembered.original(known), text, missing));
    const revealed = pass();
    return (await this.#learn(missing)) ? pass() : revealed;
  }

  /** Whether the vault knew any of them. */
  async #learn(wanted: ReadonlySet<string>): Promise<boolean> {
    if (this.#vault === undefined || wanted.size === 0) return false;
    const found = await this.#vault.open([...wanted]);
    for (const [placeholder, original] of found) {
      this.#remembered.add(placeholder, original);
      this.#remembered.kept(placeholder);
    }
    return found.size > 0;
  }

  async #askSlow(visit: (hide: Rewrite) => unknown): Promise<Slowly> {
    if (this.#slow.length === 0) return NOTHING;
    const texts = new Set<string>();
    visit((text) => {
      if (text.length >= LEAST_CHARACTERS) texts.add(text);
      return text;
    });
    const asked = [...texts];
    const found = new Map<string, Finding[]>(asked.map((text) => [text, []]));
    for (const detector of asked.length === 0 ? [] : this.#slow) {
      const { kind } = detector;
      const answers = await detector.findIn(asked);
      if (answers.length !== asked.length)
        throw new FlujoError(
          "PLUGIN_FAILED",
          `the detector ${kind} answered ${answers.length} of ${asked.length} texts`,
        );
      for (const [index, text] of asked.entries())
        for (const { start, end } of answers[index] ?? []) found.get(text)?.push({ kind, start, end });
    }
    return found;
  }

  #hidden(text: string, { used, doubtful, slowly }: Hiding): string {
    if (text.length < LEAST_CHARACTERS) return text;
    const asked = slowly.get(text) ?? [];
    if (asked.length === 0 && this.#onlyBuiltIn && !CANDIDATE.test(text)) return text;
    const lookalikes = text.includes("[") ? this.#lookalikes(text, doubtful) : NONE;
    const isOrdinary = asked.length === 0 && lookalikes.length === 0; // a function of the text alone
    const before = isOrdinary ? this.#recent.of(text) : undefined;
    if (before !== undefined) {
      for (const [placeholder, original] of before.pairs) this.#use(placeholder, original, used);
      return before.concealed;
    }
    const found = around(apart([...asked, ...findAll(this.#detectors, text)], text.length), lookalikes);
    const pairs: (readonly [string, string])[] = [];
    const concealed = replaced(text, found, (kind, original) => {
      if (kind === UNTOUCHED) return original;
      const placeholder = placeholderFor(this.#key, kind, original);
      this.#use(placeholder, original, used);
      pairs.push([placeholder, original]);
      return placeholder;
    });
    if (isOrdinary) this.#recent.add(text, { concealed, pairs });
    return concealed;
  }

  #use(placeholder: string, original: string, used: Pairs): void {
    this.#remembered.add(placeholder, original);
    used.set(placeholder, original);
  }

  /** Texts in the form of placeholders. Known ones came from outside: what the veil itself has put there was brought back. */
  #lookalikes(text: string, doubtful: Set<string>): readonly Finding[] {
    return [...text.matchAll(placeholders())].map(({ 0: whole, index }) => {
      const isKnown = this.#remembered.original(whole) !== undefined;
      if (!isKnown) doubtful.add(whole);
      return { kind: isKnown ? LITERAL : UNTOUCHED, start: index, end: index + whole.length };
    });
  }
}

type Slowly = ReadonlyMap<string, readonly Finding[]>;

interface Hiding {
  readonly used: Pairs;
  readonly doubtful: Set<string>;
  readonly slowly: Slowly;
}

const NOTHING: Slowly = new Map();
const NONE: readonly Finding[] = [];
const UNTOUCHED = "";

/** A text with its placeholders replaced by what `original` knows; the others are added to `missing`. */
export function showFrom(
  original: (placeholder: string) => string | undefined,
  text: string,
  missing: Set<string> = new Set(),
): string {
  if (!text.includes("[")) return text;
  return text.replace(placeholders(), (placeholder) => {
    const known = original(placeholder);
    if (known === undefined) missing.add(placeholder);
    return known ?? placeholder;
  });
}

/** Findings without what lookalikes cover, and the lookalikes: nothing is put behind a placeholder twice. */
function around(found: readonly Finding[], lookalikes: readonly Finding[]): readonly Finding[] {
  if (lookalikes.length === 0) return found;
  const pieces: Finding[] = [...lookalikes];
  for (const { kind, start, end } of found) {
    let from = start;
    for (const other of lookalikes) {
      if (other.end <= from || other.start >= end) continue;
      if (other.start > from) pieces.push({ kind, start: from, end: other.start });
      from = other.end;
    }
    if (from < end) pieces.push({ kind, start: from, end });
  }
  return pieces.sort((a, b) => a.start - b.start);
}

function replaced(
  text: string,
  found: readonly Finding[],
  placeholder: (kind: string, original: string) => string,
): string {
  let result = "";
  let at = 0;
  for (const { kind, start, end } of found) {
    result += text.slice(at, start) + placeholder(kind, text.slice(start, end));
    at = end;
  }
  return result + text.slice(at);
}
