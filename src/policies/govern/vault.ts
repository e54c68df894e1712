import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { FlujoError } from "../../domain/errors.ts";
import type { Wire } from "../../domain/wire.ts";
import type { ItemStore } from "../../ports/items.ts";

/** Where originals are kept, encrypted, one item for each placeholder. */
export const VAULT_COLLECTION = "vault";

const CIPHER = "aes-256-gcm";
const IV_BYTES = 12; // what GCM is defined for
const BATCH = 500;
const VERSION = 1;

/** Keys for different purposes from one secret: who learns one of them learns none of the others. */
export const derivedKey = (secret: string, purpose: string, bytes = 32): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", secret, "", `flujo ${purpose} v1`, bytes));

interface Sealed {
  readonly v: number;
  /** Which secret: another one's entries are none of ours, and our own must open. */
  readonly key: string;
  readonly iv: string;
  readonly tag: string;
  readonly text: string;
}

/** Originals by placeholder, for every process that has the secret. Source: Flujo, governance; the store never sees them plain. */
export class Vault {
  readonly #items: ItemStore;
  readonly #key: Uint8Array;
  readonly #name: string;

  constructor(items: ItemStore, secret: string) {
    this.#items = items;
    this.#key = derivedKey(secret, "vault");
    this.#name = Buffer.from(derivedKey(secret, "vault name", 6)).toString("hex");
  }

  /** Those that are here and were sealed with our secret. Throws RECORD_UNDECODABLE for one that was changed since. */
  async open(wanted: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (let from = 0; from < wanted.length; from += BATCH) {
      const batch = wanted.slice(from, from + BATCH);
      const items = await this.#items.getItems(batch.map((key) => ({ collection: VAULT_COLLECTION, key })));
      for (const [index, placeholder] of batch.entries()) {
        const sealed = sealedFrom(items[index]?.value);
        if (sealed?.key === this.#name) found.set(placeholder, this.#opened(sealed, placeholder));
      }
    }
    return found;
  }

  /** Durable when it resolves. */
  async put(originals: ReadonlyMap<string, string>): Promise<void> {
    const entries = [...originals];
    for (let from = 0; from < entries.length; from += BATCH) {
      const items = entries.slice(from, from + BATCH).map(([placeholder, original]) => ({
        collection: VAULT_COLLECTION,
        key: placeholder,
        value: this.#sealed(placeholder, original),
      }));
      for (const outcome of await this.#items.putItems(items)) if (outcome.status === "rejected") throw outcome.error;
    }
  }

  /** Bound to its placeholder: an entry that was moved to another one does not open. */
  #sealed(placeholder: string, original: string): Wire {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, iv).setAAD(Buffer.from(placeholder));
    const text = Buffer.concat([cipher.update(original, "utf16le"), cipher.final()]); // keeps what is no whole Unicode, too
    return {
      v: VERSION,
      key: this.#name,
      iv: iv.toString("base64"),
      tag: cipher.getAuthTag().toString("base64"),
      text: text.toString("base64"),
    };
  }

  #opened({ iv, tag, text }: Sealed, placeholder: string): string {
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, Buffer.from(iv, "base64"))
        .setAAD(Buffer.from(placeholder))
        .setAuthTag(Buffer.from(tag, "base64"));
      return Buffer.concat([decipher.update(Buffer.from(text, "base64")), decipher.final()]).toString("utf16le");
    } catch (cause) {
      throw new FlujoError("RECORD_UNDECODABLE", `the vault's entry for ${placeholder} was changed`, { cause });
    }
  }
}

function sealedFrom(value: Wire | undefined): Sealed | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { v, key, iv, tag, text } = value as Partial<Sealed>;
  if (v !== VERSION || key === undefined || iv === undefined || tag === undefined || text === undefined)
    return undefined;
  return { v, key, iv, tag, text };
}
