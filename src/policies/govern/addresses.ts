import { scanning, type ScanDetector } from "./detector.ts";
import { characters, HEX, type Scan, type Span, WORD } from "./scan.ts";

const LOCAL = characters("09azAZ", "._%+-'", true); // the rest of RFC 5321 nobody has in an address, and all have around one
const LABEL = characters("09azAZ", "-", true);
const LETTER = characters("azAZ", "", true);

/** What looks like a domain's end and is a file, or a unit of systemd: `logo@2x.png`, `getty@tty1.service`. */
const NOT_DOMAINS = new Set(
  "png jpg jpeg gif svg webp ico css js mjs cjs ts tsx jsx json html txt yaml yml toml lock log service socket timer target tgz".split(
    " ",
  ),
);

/** E-mail addresses, also of international domains. */
export const email: ScanDetector = scanning("EMAIL", function* (scan) {
  for (let at = scan.find("@", 0); at >= 0; at = scan.find("@", at + 1)) {
    let start = scan.backward(at, LOCAL, 64);
    while (start < at && !scan.is(start, WORD)) start++;
    if (start === at || scan.startsWith(".", at - 1)) continue;
    const end = domainEnd(scan, at + 1);
    if (end === undefined) continue;
    const isRemote = scan.startsWith(":", end) && scan.startsWith("git@", start); // git@github.com:someone/something.git
    if (!isRemote && !isPassword(scan, start)) yield { start, end };
  }
});

/** The end of a password in a URL, and its host: what `urlCredentials` finds. */
const isPassword = (scan: Scan, start: number): boolean =>
  /:\/\/[^\s/?#:]*:[^\s/?#]*$/.test(scan.slice({ start: Math.max(0, start - 80), end: start }));

/** Behind the last label that can be a top one. */
function domainEnd(scan: Scan, from: number): number | undefined {
  let end: number | undefined;
  let at = from;
  for (let labels = 1; labels <= 10; labels++) {
    const after = scan.forward(at, LABEL, 63);
    if (after === at) break;
    const isLetters = scan.forward(at, LETTER, 63) === after && after - at >= 2;
    if (labels > 1 && isLetters && NOT_DOMAINS.has(scan.slice({ start: at, end: after }).toLowerCase()))
      return undefined;
    if (labels > 1 && (isLetters || scan.startsWith("xn--", at))) end = after;
    if (!scan.startsWith(".", after)) break;
    at = after + 1;
  }
  return end;
}

const VERSION_WORDS = [
  "version",
  "ver",
  "release",
  "build",
  "section",
  "chapter",
  "clause",
  "§",
  "firmware",
  "upgrade to",
];
const OCTETS = [0, 1, 2, 3] as const;

/** Version 4 addresses, but none that names nobody: this host, all hosts, masks. */
export const ipv4: ScanDetector = scanning("IPV4", function* (scan) {
  for (let first = 0; first + 3 < scan.groups.length; first++) {
    const groups = OCTETS.map((offset) => scan.groups[first + offset] ?? { start: 0, end: 0 });
    scan.steps += 4;
    const dotted = groups.every(
      ({ start, end }, i) =>
        i === 3 || (scan.text.charAt(end) === "." && groups[i + 1]?.start === end + 1 && end > start),
    );
    if (!dotted || !groups.every((group) => isOctet(scan.slice(group)))) continue;
    const span = { start: groups[0]?.start ?? 0, end: groups[3]?.end ?? 0 };
    if (isApart(scan, span) && !namesNobody(scan.slice(span)) && !scan.labelled(span.start, VERSION_WORDS)) yield span;
  }
});

const isOctet = (text: string): boolean => text.length <= 3 && Number(text) <= 255 && !/^0\d/.test(text);
const namesNobody = (text: string): boolean => /^(?:127\.|0\.|255\.)/.test(text);

/** A port, a mask or a bracket may follow an address; another part of a number, a name or a longer dotted one may not. */
function isApart(scan: Scan, { start, end }: Span): boolean {
  if (scan.is(start - 1, WORD) || scan.is(end, WORD)) return false;
  if (/[.-]/.test(scan.text.charAt(start - 1)) && scan.is(start - 2, WORD)) return false;
  return !(/[.-]/.test(scan.text.charAt(end)) && scan.is(end + 1, WORD));
}

const HEX_COLON = characters("09afAF", ":");
const OF_IPV6 = { least: 6, most: 39 };

/** Version 6 addresses: in a range that is given out, or written whole. */
export const ipv6: ScanDetector = scanning("IPV6", function* (scan) {
  for (const run of scan.runs(HEX_COLON, OF_IPV6.least)) {
    const start = scan.startsWith("::", run.start) || !scan.startsWith(":", run.start) ? run.start : run.start + 1;
    const end = scan.startsWith(":", run.end - 1) && !scan.startsWith("::", run.end - 2) ? run.end - 1 : run.end;
    if (end - start > OF_IPV6.most || scan.is(start - 1, WORD) || scan.is(end, WORD)) continue;
    if (isIpv6(scan.slice({ start, end }))) yield { start, end };
  }
});

function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  if (groups.some((group) => group === "" || group.length > 4)) return false;
  if (halves.length === 1) return groups.length === 8;
  const first = Number.parseInt(groups[0] ?? "0", 16);
  const givenOut = (first >= 0x2000 && first <= 0x3fff) || (first >= 0xfc00 && first <= 0xfdff) || first >> 6 === 0x3fa;
  return groups.length >= 2 && groups.length <= 7 && (groups[0] ?? "").length === 4 && givenOut;
}

const SEPARATED = [
  { between: ":", size: 2, count: 6 },
  { between: "-", size: 2, count: 6 },
  { between: ".", size: 4, count: 3 },
] as const;

/** Hardware addresses: `00:1b:44:11:3a:b7`, `00-1B-44-11-3A-B7`, `001b.4411.3ab7`. */
export const mac: ScanDetector = scanning("MAC", function* (scan) {
  for (const { between, size, count } of SEPARATED) {
    const length = count * (size + 1) - 1;
    for (let gap = scan.find(between, 0); gap >= 0; gap = scan.find(between, gap + 1)) {
      const span = { start: gap - size, end: gap - size + length };
      if (!isMac(scan, span, { between, size, count })) continue;
      yield span;
      gap = span.end;
    }
  }
});

function isMac(
  scan: Scan,
  { start, end }: Span,
  { between, size, count }: { readonly between: string; readonly size: number; readonly count: number },
): boolean {
  if (start < 0 || end > scan.text.length) return false;
  for (let part = 0; part < count; part++) {
    const at = start + part * (size + 1);
    if (scan.forward(at, HEX, size) !== at + size) return false;
    if (part < count - 1 && !scan.startsWith(between, at + size)) return false;
  }
  const touches = (at: number): boolean => scan.is(at, WORD);
  if (touches(start - 1) || touches(end)) return false;
  if (
    (scan.startsWith(between, start - 1) && touches(start - 2)) ||
    (scan.startsWith(between, end) && touches(end + 1))
  )
    return false;
  const digits = scan.slice({ start, end }).replaceAll(between, "").toLowerCase();
  const isDecimal = between !== ":" && /^\d+$/.test(digits);
  return !/^(.)\1+$/.test(digits) && !isDecimal; // 01-02-03-04-05-06 counts, and 1234.5678.9012 is an account
}
