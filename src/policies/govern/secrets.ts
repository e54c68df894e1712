import { scanning, type ScanDetector } from "./detector.ts";
import { characters, type Scan, type Span, TOKEN, WORD } from "./scan.ts";

const JWT_TEXT = characters("09azAZ", "_-.");

/** Signed tokens: three parts, the first of which is JSON that names an algorithm. */
export const jwt: ScanDetector = scanning("JWT", function* (scan) {
  for (const run of scan.runs(JWT_TEXT, 30)) {
    const end = scan.startsWith(".", run.end - 1) ? run.end - 1 : run.end; // the sentence ends there, too
    const parts = scan.slice({ start: run.start, end }).split(".");
    const [header = "", payload = ""] = parts;
    if (parts.length === 3 && header.startsWith("eyJ") && payload.length >= 4 && namesAlgorithm(header))
      yield { start: run.start, end };
  }
});

const HEADER_CHARACTERS = 4_096; // of a header nobody writes more
const namesAlgorithm = (header: string): boolean =>
  Buffer.from(header.slice(0, HEADER_CHARACTERS), "base64url").toString("latin1").includes('"alg"');

const BEGIN = "-----BEGIN ";
const END = "-----END ";
const KEY = "PRIVATE KEY-----";
const NAME_CHARACTERS = 40;
const BODY = characters("09azAZ", "+/=\r\n\\");
const LEAST_BODY = 32;

/** Where the dashes end after a mark that names a private key. */
function keyMark(scan: Scan, from: number): number | undefined {
  const at = scan.slice({ start: from, end: from + NAME_CHARACTERS }).indexOf(KEY);
  return at < 0 ? undefined : from + at + KEY.length;
}

/** Private keys in PEM, also with escaped line ends; where the end is missing, what there is of the body. */
export const privateKey: ScanDetector = scanning("PRIVATE_KEY", function* (scan) {
  let closing = scan.find(END, 0);
  let start = scan.find(BEGIN, 0);
  while (start >= 0) {
    const next = scan.find(BEGIN, start + BEGIN.length);
    const body = keyMark(scan, start + BEGIN.length);
    if (closing >= 0 && closing < start) closing = scan.find(END, start);
    const isClosed = closing >= 0 && (next < 0 || closing < next);
    const end = isClosed ? keyMark(scan, closing + END.length) : undefined;
    if (body !== undefined && end !== undefined) yield { start, end };
    else if (body !== undefined) {
      const cut = scan.forward(body, BODY);
      if (cut - body >= LEAST_BODY) yield { start, end: cut };
    }
    start = next;
  }
});

interface KeyForm {
  readonly kind: string;
  readonly prefixes: readonly string[];
  /** Characters behind the prefix. */
  readonly least: number;
  readonly most?: number;
  readonly valid?: (rest: string) => boolean;
}

const isMixed = (rest: string): boolean => /\d/.test(rest) && /[A-Z]/.test(rest) && /[a-z]/.test(rest);
const isPlain = (rest: string): boolean => /^[A-Za-z0-9]+$/.test(rest);
const isCapital = (rest: string): boolean => /^[A-Z0-9]+$/.test(rest);

const FORMS: readonly KeyForm[] = [
  { kind: "AWS_KEY", prefixes: ["AKIA", "ASIA", "AROA", "AIDA"], least: 16, most: 16, valid: isCapital },
  { kind: "GITHUB_KEY", prefixes: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], least: 36, valid: isPlain },
  { kind: "GITHUB_KEY", prefixes: ["github_pat_"], least: 50 },
  { kind: "ANTHROPIC_KEY", prefixes: ["sk-ant-"], least: 20, valid: isMixed },
  { kind: "OPENAI_KEY", prefixes: ["sk-"], least: 20, valid: (rest) => isMixed(rest) && !rest.startsWith("ant-") },
  {
    kind: "STRIPE_KEY",
    prefixes: ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"],
    least: 16,
    valid: (rest) => isPlain(rest),
  },
  { kind: "SLACK_KEY", prefixes: ["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xapp-"], least: 16 },
  { kind: "GOOGLE_KEY", prefixes: ["AIza"], least: 35, most: 35 },
  { kind: "GOOGLE_KEY", prefixes: ["GOCSPX-"], least: 20 },
];

/** Keys that say by their beginning whose they are; one detector for each issuer. */
export const issuedKeys: readonly ScanDetector[] = [...new Set(FORMS.map(({ kind }) => kind))].map((kind) => {
  const forms = FORMS.filter((form) => form.kind === kind);
  return scanning(kind, function* (scan) {
    for (const run of scan.runs(TOKEN, 20)) {
      if (forms.some((form) => isIssued(scan, run, form))) yield run;
    }
  });
});

function isIssued(scan: Scan, { start, end }: Span, { prefixes, least, most, valid }: KeyForm): boolean {
  const prefix = prefixes.find((one) => scan.startsWith(one, start));
  if (prefix === undefined) return false;
  const length = end - start - prefix.length;
  if (length < least || length > (most ?? Number.POSITIVE_INFINITY)) return false;
  return valid === undefined || valid(scan.slice({ start: start + prefix.length, end }));
}

const SECRET_TEXT = characters("09azAZ", "+/");

/** The second half of an AWS key says nothing of itself: it is found by the name that stands before it. */
export const awsSecret: ScanDetector = scanning("AWS_SECRET", function* (scan) {
  for (const run of scan.runs(SECRET_TEXT, 40)) {
    if (
      run.end - run.start === 40 &&
      scan.labelled(run.start, ["aws_secret_access_key", "secretaccesskey", "aws secret"], 40)
    )
      yield run;
  }
});

const SCHEME = characters("09azAZ", "+.-");
const USER_INFO = characters("09azAZ", "-._~%!$&'()*+,;=:@[]^{}|<>\\", true);
const MOST_CHARACTERS = 512;

/** User and password of a URL, without its scheme and host. Nothing where the password is left open: `${PASSWORD}`, `***`. */
export const urlCredentials: ScanDetector = scanning("CREDENTIALS", function* (scan) {
  for (let mark = scan.find("://", 0); mark >= 0; mark = scan.find("://", mark + 3)) {
    if (scan.backward(mark, SCHEME, 20) === mark) continue;
    const start = mark + 3;
    const after = scan.forward(start, USER_INFO, MOST_CHARACTERS);
    const end = start + scan.slice({ start, end: after }).lastIndexOf("@");
    if (end <= start || !scan.is(end + 1, WORD)) continue;
    const [, password = ""] = /^[^:]*:(.*)$/s.exec(scan.slice({ start, end })) ?? [];
    if (password !== "" && !/^(?:\*+|\$.*|\{.*|<.*|%s|x{3,})$/i.test(password)) yield { start, end };
  }
});
