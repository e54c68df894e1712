import { withIbanCheck, withLuhn, withNhsCheck, withNirKey, withTaxCheck } from "./check-digits.ts";
import { Draw } from "./draw.ts";

/** A text and what in it has to be found. */
export interface Positive {
  readonly kind: string;
  readonly value: string;
  readonly text: string;
}

const SENTENCES = [
  "Please note: {} (as agreed).",
  "{}",
  "I will send it to {} tomorrow.",
  'payload={"field":"{}","n":3}',
  "Second line\n{}\nthird line",
  "It was {}, not the other one.",
  "<td>{}</td>",
  "see {}; thanks",
];

const FIRST = ["anna", "j.smith", "o'brien", "li_wei", "maria-jose", "x", "jörg", "first.last+tag", "user99"];
const DOMAINS = [
  "example.com",
  "mail.example.co.uk",
  "müller.de",
  "sub.domain.example.org",
  "uni-bonn.de",
  "a.io",
  "firma.xn--p1ai",
];

const grouped = (digits: string, sizes: readonly number[], gap: string): string => {
  let at = 0;
  return sizes.map((size) => digits.slice(at, (at += size))).join(gap);
};

function cardNumber(draw: Draw): string {
  const [prefix, length] = draw.of<readonly [string, number]>([
    ["4", 16],
    ["51", 16],
    ["55", 16],
    ["2221", 16],
    ["34", 15],
    ["37", 15],
    ["6011", 16],
    ["65", 16],
    ["3530", 16],
    ["36", 14],
  ]);
  const digits = withLuhn(prefix + draw.digits(length - prefix.length - 1));
  const sizes = length === 15 ? [4, 6, 5] : length === 14 ? [4, 6, 4] : [4, 4, 4, 4];
  return draw.of([digits, grouped(digits, sizes, " "), grouped(digits, sizes, "-")]);
}

function ibanNumber(draw: Draw): string {
  const [country, form] = draw.of<readonly [string, string]>([
    ["DE", "d18"],
    ["FR", "d23"],
    ["GB", "a4d14"],
    ["NL", "a4d10"],
    ["ES", "d20"],
    ["IT", "a1d22"],
    ["CH", "d17"],
    ["NO", "d11"],
    ["MT", "a4d23"],
  ]);
  const account = form.replace(/([ad])(\d+)/g, (_, kind: string, size: string) =>
    kind === "d" ? draw.digits(Number(size)) : draw.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", Number(size)),
  );
  const whole = withIbanCheck(country, account);
  return draw.of([whole, whole.replace(/(.{4})(?=.)/g, "$1 ")]);
}

function phoneNumber(draw: Draw): string {
  const [n, x, l] = [draw.int(2, 9), draw.of(["12", "30", "55", "47"]), draw.digits(4)];
  const exchange = `${draw.int(2, 9)}${draw.of(["34", "67", "89"])}`;
  return draw.of([
    `+1 ${n}${x} ${exchange} ${l}`,
    `+1${n}${x}${exchange}${l}`,
    `+1 (${n}${x}) ${exchange}-${l}`,
    `(${n}${x}) ${exchange}-${l}`,
    `${n}${x}-${exchange}-${l}`,
    `${n}${x}.${exchange}.${l}`,
    `1-${n}${x}-${exchange}-${l}`,
    `+44 20 7${draw.digits(3)} ${draw.digits(4)}`,
    `+44 (0)20 7${draw.digits(3)} ${draw.digits(4)}`,
    `020 7${draw.digits(3)} ${draw.digits(4)}`,
    `07700 ${draw.int(100, 999)} ${draw.digits(3)}`,
    `+33 6 ${draw.digits(2)} ${draw.digits(2)} ${draw.digits(2)} ${draw.digits(2)}`,
    `06 ${draw.digits(2)} ${draw.digits(2)} ${draw.digits(2)} ${draw.digits(2)}`,
    `06.${draw.digits(2)}.${draw.digits(2)}.${draw.digits(2)}.${draw.digits(2)}`,
    `0033 6 ${draw.digits(2)} ${draw.digits(2)} ${draw.digits(2)} ${draw.digits(2)}`,
    `+49 30 ${draw.int(1, 9)}${draw.digits(6)}`,
    `030 ${draw.int(1, 9)}${draw.digits(7)}`,
    `0171/${draw.int(1, 9)}${draw.digits(6)}`,
    `+91 98${draw.digits(3)} ${draw.digits(5)}`,
    `+55 11 9${draw.digits(4)}-${draw.digits(4)}`,
    `+353 1 ${draw.int(2, 9)}${draw.digits(2)} ${draw.digits(4)}`,
  ]);
}

function taxNumber(draw: Draw): string {
  const order = "1234567890".split("").sort(() => draw.next() - 0.5);
  const leading = order[0] === "0" ? [...order.slice(1), "0"] : order;
  const body = [...leading.slice(0, 9), leading[draw.int(0, 8)] ?? "1"].join("");
  const whole = withTaxCheck(body);
  return draw.of([whole, grouped(whole, [2, 3, 3, 3], " ")]);
}

function nirNumber(draw: Draw): string {
  const [year, month] = [draw.digits(2), String(draw.int(1, 12)).padStart(2, "0")];
  const body = `${draw.int(1, 2)}${year}${month}${draw.int(10, 95)}${draw.digits(3)}${draw.digits(3)}`;
  const whole = withNirKey(body);
  return draw.of([whole, grouped(whole, [1, 2, 2, 2, 3, 3, 2], " "), grouped(whole, [13, 2], " ")]);
}

function nhsNumber(draw: Draw): string {
  for (;;) {
    const whole = withNhsCheck(`${draw.int(4, 7)}${draw.digits(8)}`);
    if (whole !== undefined) return grouped(whole, [3, 3, 4], " ");
  }
}

const socialSecurity = (draw: Draw): string =>
  `${String(draw.int(1, 665)).padStart(3, "0")}-${String(draw.int(1, 99)).padStart(2, "0")}-${String(draw.int(1, 9_999)).padStart(4, "0")}`;

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

const jwt = (draw: Draw): string =>
  `${base64url({ alg: draw.of(["HS256", "RS256", "ES256"]), typ: "JWT" })}.${base64url({ sub: draw.digits(10), name: "Jane" })}.${draw.alnum(43)}`;

const pem = (draw: Draw): string => {
  const kind = draw.of(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]);
  const lines = Array.from({ length: draw.int(2, 6) }, () => draw.alnum(64)).join(draw.of(["\n", "\\n", "\r\n"]));
  return `-----BEGIN ${kind}PRIVATE KEY-----\n${lines}\n-----END ${kind}PRIVATE KEY-----`;
};

/** Mixed as random characters of that length are, and never by chance without a digit. */
const secret = (draw: Draw, length: number): string => `${draw.alnum(length - 3)}aA${draw.int(0, 9)}`;

const ipv6 = (draw: Draw): string => {
  const group = (): string => draw.text("123456789abcdef", 1) + draw.hex(3);
  return draw.of([
    `2001:db8:${group()}:${group()}:${group()}:${group()}:${group()}:${group()}`,
    `2a00:${group()}::${draw.int(1, 9)}`,
    `fe80::${group()}:${group()}:${group()}:${group()}`,
    `fd12:3456:${group()}::1`,
  ]);
};

const hardware = (draw: Draw): string => {
  const pairs = ["0a", ...Array.from({ length: 5 }, () => draw.hex(2))];
  return draw.of([pairs.join(":"), pairs.join("-").toUpperCase(), (pairs.join("").match(/.{4}/g) ?? []).join(".")]);
};

const octet = (draw: Draw): number => draw.int(1, 254);

type Maker = (draw: Draw) => string;

/** What each kind is made of, and how many are drawn of it. */
const MAKERS: readonly (readonly [kind: string, count: number, make: Maker])[] = [
  ["EMAIL", 120, (draw) => `${draw.of(FIRST)}@${draw.of(DOMAINS)}`],
  ["PHONE", 160, phoneNumber],
  ["CARD", 90, cardNumber],
  ["IBAN", 80, ibanNumber],
  ["US_SSN", 40, socialSecurity],
  ["IPV4", 40, (draw) => `${draw.of([10, 83, 192, 203])}.${octet(draw)}.${octet(draw)}.${octet(draw)}`],
  ["IPV6", 40, ipv6],
  ["MAC", 40, hardware],
  ["JWT", 20, jwt],
  ["PRIVATE_KEY", 20, pem],
  ["AWS_KEY", 15, (draw) => `${draw.of(["AKIA", "ASIA"])}${draw.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)}`],
  ["GITHUB_KEY", 15, (draw) => draw.of([`ghp_${draw.alnum(36)}`, `github_pat_${draw.alnum(22)}_${draw.alnum(59)}`])],
  ["OPENAI_KEY", 15, (draw) => draw.of([`sk-${secret(draw, 48)}`, `sk-proj-${secret(draw, 64)}`])],
  ["ANTHROPIC_KEY", 15, (draw) => `sk-ant-api03-${secret(draw, 93)}`],
  ["STRIPE_KEY", 15, (draw) => `${draw.of(["sk_live_", "sk_test_", "rk_live_"])}${secret(draw, 24)}`],
  ["SLACK_KEY", 15, (draw) => `xoxb-${draw.digits(12)}-${draw.digits(12)}-${draw.alnum(24)}`],
  ["GOOGLE_KEY", 15, (draw) => `AIza${draw.alnum(35)}`],
  ["NHS_NUMBER", 30, nhsNumber],
  ["FR_NIR", 40, nirNumber],
  ["DE_TAX_ID", 40, taxNumber],
];

/** Things that stand inside something larger. */
function framed(draw: Draw): readonly Positive[] {
  return Array.from({ length: 30 }, () => {
    const value = `${draw.of(["admin", "app", "root"])}:${draw.alnum(12)}`;
    const scheme = draw.of(["https", "postgres", "redis", "amqp", "mongodb+srv"]);
    return { kind: "CREDENTIALS", value, text: `connect to ${scheme}://${value}@db.internal:5432/main?x=1 now` };
  });
}

/** 895 texts, each with one thing that has to be found. */
export function positives(seed = 20): readonly Positive[] {
  const draw = new Draw(seed);
  const made = MAKERS.flatMap(([kind, count, make]) =>
    Array.from({ length: count }, () => {
      const value = make(draw);
      return { kind, value, text: draw.of(SENTENCES).replace("{}", () => value) };
    }),
  );
  return [...made, ...framed(draw)];
}
