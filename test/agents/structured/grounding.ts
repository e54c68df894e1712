import type { Wire } from "../../../src/domain/wire.ts";

/*
 * Whether a value stands in a text, up to the conversions that are allowed. Written without the code it judges: words are compared
 * by their letters and digits, numbers by their value.
 */

const folded = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}\p{S}]|\+/gu, "");

function readable(text: string): string {
  let plain = text.replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  plain = plain.replace(/&amp;/g, "&").replace(/\\[nrt]/g, " ");
  return `${text}\n${plain}`;
}

function numbersIn(text: string): ReadonlySet<number> {
  const point = text.match(/[-+]?(?:\d[\d,_ '’]*)?\.?\d+\.?(?:e[-+]?\d+)?/gi) ?? [];
  const comma = text.match(/[-+]?\d[\d.]*(?:,\d+)?/g) ?? [];
  const plain = text.match(/[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi) ?? [];
  return new Set([
    ...plain.map(Number),
    ...point.map((one) => Number(one.replace(/[,_ '’]/g, ""))),
    ...comma.map((one) => Number(one.replaceAll(".", "").replace(",", "."))),
  ]);
}

/** The leaves of a value that do not stand in the text; empty when all do. */
export function inventedIn(value: Wire, text: string): readonly string[] {
  const numbers = numbersIn(text);
  const words = folded(readable(text));
  const invented: string[] = [];
  const look = (inner: Wire, path: string): void => {
    if (typeof inner === "number" && !numbers.has(inner)) invented.push(`${path}: ${inner}`);
    if (typeof inner === "string" && !words.includes(folded(inner))) invented.push(`${path}: ${JSON.stringify(inner)}`);
    if (inner === null && !/null|none/i.test(text)) invented.push(`${path}: null`);
    if (inner === true && !/true|yes|1/i.test(text)) invented.push(`${path}: true`);
    if (inner === false && !/false|no|0/i.test(text)) invented.push(`${path}: false`);
    if (typeof inner === "object" && inner !== null) {
      for (const [key, child] of Object.entries(inner)) look(child, `${path}.${key}`);
    }
  };
  look(value, "$");
  return invented;
}
