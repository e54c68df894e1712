import { scanning, type ScanDetector } from "./detector.ts";
import { digitsOf, plain, type Shape, shaped } from "./numbers.ts";
import type { Scan, Span } from "./scan.ts";

/** Calling codes with the least and most digits that follow them; those without lengths have 6 to 12. Source: ITU E.164. */
const CODES = new Map(
  (
    "1:10-10 7:10-10 20:9-10 27:9-9 30:10-10 31:9-9 32:8-9 33:9-9 34:9-9 36:8-9 39:6-11 40:9-9 41:9-9 43:7-13 44:9-10 45:8-8 " +
    "46:7-9 47:8-8 48:9-9 49:7-11 51:8-9 52:10-10 53 54:10-11 55:10-11 56:9-9 57:10-10 58:10-10 60:8-10 61:9-9 62:9-12 63:10-10 " +
    "64:8-10 65:8-8 66:8-9 81:9-10 82:8-10 84:9-10 86:10-11 90:10-10 91:10-10 92:10-10 93:9-9 94:9-9 95 98:10-10 " +
    "211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 " +
    "245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 " +
    "350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 379 380 381 382 383 385 386 387 389 " +
    "420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 " +
    "678 679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 850 852 853 855 856 870 878 880 881 882 883 886 888 " +
    "960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 995 996 998"
  )
    .split(" ")
    .map((entry): [string, readonly [number, number]] => {
      const [code = "", least = "6", most = "12"] = entry.split(/[:-]/);
      return [code, [Number(least), Number(most)]];
    }),
);

/** Whether digits after a plus can be dialled. A trunk zero that people write behind the code, +44 (0) 20…, is passed over. */
function dialled(digits: string): boolean {
  for (const size of [1, 2, 3]) {
    const lengths = CODES.get(digits.slice(0, size));
    if (lengths === undefined) continue;
    const rest = digits.slice(size).replace(/^0/, "");
    return rest.length >= lengths[0] && rest.length <= lengths[1];
  }
  return false;
}

const MOST_DIGITS = 16; // fifteen, and a trunk zero
/** What people put between the groups of a telephone number. */
const GAPS: ReadonlySet<string> = new Set([
  " ",
  "-",
  ".",
  "/",
  "(",
  ")",
  ") ",
  " (",
  ")-",
  " - ",
  " (0)",
  "(0)",
  "\u00a0",
]);

/** From a group on as far as a telephone number can go: every end at which it would be whole, the farthest first. */
function ends(scan: Scan, first: number): readonly Span[] {
  const found: Span[] = [];
  const start = scan.groups[first]?.start ?? 0;
  let digits = 0;
  for (let index = first; ; index++) {
    const group = scan.groups[index];
    if (group === undefined) break;
    digits += group.end - group.start;
    if (digits > MOST_DIGITS) break;
    found.unshift({ start, end: group.end });
    const next = scan.groups[index + 1];
    if (next === undefined || next.start - group.end > 3) break;
    if (!GAPS.has(scan.slice({ start: group.end, end: next.start }))) break;
  }
  return found;
}

/** `+49 30 1234567`, `+44 (0)20 7946 0958`, `0033 6 12 34 56 78`. */
function international(scan: Scan, first: number): Span | undefined {
  const group = scan.groups[first];
  if (group === undefined) return undefined;
  const plus = scan.startsWith("+", group.start - 1) || scan.startsWith("+(", group.start - 2);
  const zeros = !plus && scan.startsWith("00", group.start) && scan.text.charAt(group.end) !== "";
  if (!plus && !zeros) return undefined;
  const start = plus ? scan.text.lastIndexOf("+", group.start) : group.start;
  for (const { end } of ends(scan, first)) {
    const span = { start, end };
    const digits = digitsOf(scan, span);
    if (!scan.standsAlone(span)) continue;
    if (plus ? dialled(digits) : end > group.end && dialled(digits.slice(2))) return span;
  }
  return undefined;
}

const WORDS = [
  "phone",
  "tel",
  "telephone",
  "mobile",
  "cell",
  "fax",
  "call",
  "dial",
  "sms",
  "text me at",
  "whatsapp",
  "telefon",
  "handy",
  "mobil",
  "portable",
  "tél",
  "téléphone",
];

const isNorthAmerican = (digits: string): boolean => /^1?[2-9](?!11)\d\d[2-9](?!11)\d{6}$/.test(digits);
const hasTrunkZero = (digits: string): boolean => /^0[1-9](?!0{5})/.test(digits);

interface National {
  readonly shape: Shape;
  readonly valid: (digits: string) => boolean;
}

const NATIONAL: readonly National[] = [
  { shape: { sizes: [3, 3, 4], between: "-." }, valid: isNorthAmerican },
  { shape: { sizes: [1, 3, 3, 4], between: "-. " }, valid: isNorthAmerican },
  { shape: { sizes: [3, 3, 4], between: " ", label: WORDS }, valid: isNorthAmerican },
  { shape: { sizes: [2, 2, 2, 2, 2], between: " .-" }, valid: hasTrunkZero },
  ...[
    [5, 6],
    [4, 7],
    [3, 8],
    [3, 7],
    [4, 6],
    [3, 4, 4],
    [4, 3, 4],
    [4, 3, 3],
    [5, 3, 3],
  ].map((sizes) => ({ shape: { sizes, between: " -/" }, valid: hasTrunkZero })),
  ...[7, 8, 9, 10, 11, 12].map((size) => ({ shape: plain(size, WORDS), valid: () => true })),
];

/** `(555) 234-5678`, `(020) 7946 0958`: an area in brackets. */
function bracketed(scan: Scan, first: number): Span | undefined {
  const group = scan.groups[first];
  if (group === undefined || !scan.startsWith("(", group.start - 1) || !scan.startsWith(")", group.end))
    return undefined;
  for (const { end } of ends(scan, first)) {
    const span = { start: group.start - 1, end };
    const digits = digitsOf(scan, span);
    const whole = isNorthAmerican(digits) || (hasTrunkZero(digits) && digits.length >= 9 && digits.length <= 12);
    if (end > group.end && whole && scan.standsAlone(span)) return span;
  }
  return undefined;
}

/**
 * Telephone numbers: with a calling code that exists and the length it asks for; in the forms of a country, where the way it is
 * written tells it from other numbers; and anything of the right length behind a word such as "phone".
 */
export const phone: ScanDetector = scanning("PHONE", function* (scan) {
  for (let first = 0; first < scan.groups.length; first++) {
    const whole = international(scan, first) ?? bracketed(scan, first);
    if (whole !== undefined) {
      yield whole;
      continue;
    }
    for (const { shape, valid } of NATIONAL) {
      const span = shaped(scan, first, shape);
      if (span !== undefined && valid(digitsOf(scan, span))) yield span;
    }
  }
});
