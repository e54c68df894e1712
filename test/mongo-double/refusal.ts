import type { Document } from "./wire.ts";

/** What a server answers instead of a result. */
export class Refusal extends Error {
  readonly code: number;
  readonly codeName: string;
  readonly details: Document;

  constructor(code: number, codeName: string, message: string, details: Document = {}) {
    super(message);
    this.code = code;
    this.codeName = codeName;
    this.details = details;
  }

  get answer(): Document {
    return { ok: 0, errmsg: this.message, code: this.code, codeName: this.codeName, ...this.details };
  }
}

export const badValue = (message: string): Refusal => new Refusal(2, "BadValue", message);
export const failedToParse = (message: string): Refusal => new Refusal(9, "FailedToParse", message);

/** An option that the double does not know is an error: a command that relies on it would not have been tested. */
export function onlyKnows(what: string, given: Document, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new Refusal(40415, "Location40415", `${what}: the double does not know "${unknown}"`);
}
