import { germanTaxId, iban, ibanLength, nhs, nir, paymentCard, socialSecurity } from "./checksums.ts";
import { scanning, type ScanDetector } from "./detector.ts";
import { characters, type Scan, type Span } from "./scan.ts";

/** How a number is written: sizes of its groups of digits, what stands between them, and whether a word must announce it. */
export interface Shape {
  readonly sizes: readonly number[];
  /** Each gap is one of these characters, the same throughout. */
  readonly between: string;
  readonly label?: readonly string[];
}

export const plain = (size: number, label?: readonly string[]): Shape => ({
  sizes: [size],
  between: "",
  ...(label && { label }),
});

/** The span of the groups from this one on, when they are written so and nothing else touches them. */
export function shaped(scan: Scan, first: number, { sizes, between, label }: Shape): Span | undefined {
  const gap = sizes.length > 1 ? scan.text.charAt(scan.groups[first]?.end ?? -1) : "";
  if (sizes.length > 1 && (gap === "" || !between.includes(gap))) return undefined;
  for (let index = 0; index < sizes.length; index++) {
    const size = sizes[index];
    const group = scan.groups[first + index];
    scan.steps++;
    if (group === undefined || group.end - group.start !== size) return undefined;
    if (index === sizes.length - 1) continue;
    const next = scan.groups[first + index + 1];
    if (next?.start !== group.end + 1 || scan.text.charAt(group.end) !== gap) return undefined;
  }
  const span = { start: scan.groups[first]?.start ?? 0, end: scan.groups[first + sizes.length - 1]?.end ?? 0 };
  if (!scan.standsAlone(span)) return undefined;
  return label === undefined || scan.labelled(span.start, label) ? span : undefined;
}

export const digitsOf = (scan: Scan, span: Span): string => scan.slice(span).replace(/\D/g, "");

function numbers(kind: string, shapes: readonly Shape[], valid: (digits: string) => boolean): ScanDetector {
  return scanning(kind, function* (scan) {
    for (let first = 0; first < scan.groups.length; first++) {
      for (const shape of shapes) {
        const span = shaped(scan, first, shape);
        if (span !== undefined && valid(digitsOf(scan, span))) yield span;
      }
    }
  });
}

const CARD: readonly Shape[] = [
  ...[13, 14, 15, 16, 17, 18, 19].map((size) => plain(size)),
  { sizes: [4, 4, 4, 4], between: " -" },
  { sizes: [4, 4, 4, 4, 3], between: " -" },
  { sizes: [4, 6, 5], between: " -" },
  { sizes: [4, 6, 4], between: " -" },
];

export const card: ScanDetector = numbers("CARD", CARD, paymentCard);

const SSN_WORDS = ["ssn", "social security", "soc sec", "itin"];

export const ssn: ScanDetector = numbers(
  "US_SSN",
  [{ sizes: [3, 2, 4], between: "-" }, { sizes: [3, 2, 4], between: " .", label: SSN_WORDS }, plain(9, SSN_WORDS)],
  socialSecurity,
);

export const nhsNumber: ScanDetector = numbers(
  "NHS_NUMBER",
  [{ sizes: [3, 3, 4], between: " " }, { sizes: [3, 3, 4], between: "-", label: ["nhs"] }, plain(10, ["nhs"])],
  nhs,
);

export const frenchNir: ScanDetector = numbers(
  "FR_NIR",
  [plain(15), { sizes: [13, 2], between: " " }, { sizes: [1, 2, 2, 2, 3, 3, 2], between: " ." }],
  nir,
);

export const germanTax: ScanDetector = numbers(
  "DE_TAX_ID",
  [plain(11), { sizes: [2, 3, 3, 3], between: " " }],
  germanTaxId,
);

const IBAN_TEXT = characters("09azAZ");
const LETTERS = characters("azAZ");

/** An IBAN begins at a digit group of two after two letters that name a country; what follows is as long as that country says. */
export const bankAccount: ScanDetector = scanning("IBAN", function* (scan) {
  for (const group of scan.groups) {
    const start = group.start - 2;
    if (!scan.is(start, LETTERS) || !scan.is(start + 1, LETTERS) || scan.is(start - 1, IBAN_TEXT)) continue;
    const length = ibanLength(scan.slice({ start, end: start + 2 }).toUpperCase());
    if (length === undefined) continue;
    const read = ibanAt(scan, start, length);
    if (read !== undefined && iban(read.text)) yield { start, end: read.end };
  }
});

/** Reads so many letters and digits, over single spaces or hyphens; nothing may touch them. */
function ibanAt(
  scan: Scan,
  start: number,
  length: number,
): { readonly text: string; readonly end: number } | undefined {
  let text = "";
  let at = start;
  while (text.length < length) {
    if (scan.is(at, IBAN_TEXT)) text += scan.text.charAt(at++);
    else if (text.length % 4 === 0 && /[ -]/.test(scan.text.charAt(at))) at++;
    else return undefined;
  }
  return scan.is(at, IBAN_TEXT) ? undefined : { text: text.toUpperCase(), end: at };
}
