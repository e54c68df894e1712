import { scanning, type ScanDetector } from "./detector.ts";
import { characters, DIGITS, type Scan, type Span, WORD } from "./scan.ts";

/*
 * What has no checksum and no form of its own: found by the words around it. It finds more and errs more often, so it is asked
 * for. Names without a title or a label need a recognizer; see `SlowDetector`.
 */
const SPACE = characters("", " \t");
const NAME_PART = characters("azAZ", "'-", true);
const VALUE = characters("09azAZ", "-", true);
const isCapital = (character: string): boolean => character !== character.toLowerCase();

const after = (scan: Scan, at: number): number => scan.forward(at, SPACE, 4);

/** One to four capitalized words, with initials between them. */
function nameFrom(scan: Scan, from: number): number | undefined {
  let end: number | undefined;
  let at = from;
  for (let words = 0; words < 4; words++) {
    if (!isCapital(scan.text.charAt(at))) break;
    const stop = scan.forward(at, NAME_PART, 40);
    const isInitial = stop === at + 1 && scan.startsWith(".", stop);
    end = isInitial ? stop + 1 : stop;
    at = after(scan, end);
    if (at === end) break;
  }
  return end;
}

/** Each place where one of these words stands alone, and where the text goes on behind it and its punctuation. */
function* behind(scan: Scan, words: readonly string[], marks: string): Generator<number> {
  const lower = scan.text.toLowerCase();
  if (lower.length !== scan.text.length) return; // a script whose small letters are longer has none of these words
  const passed = characters("", marks);
  for (const word of words) {
    scan.steps += lower.length;
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) {
      const stop = at + word.length;
      if (scan.is(at - 1, WORD) || scan.is(stop, WORD)) continue;
      yield scan.forward(stop, passed, 6);
    }
  }
}

const TITLES = "mr mrs ms miss mx dr prof professor sir madam herr frau monsieur madame mme mlle señor señora".split(
  " ",
);
const NAME_LABELS = ["name", "full name", "customer", "patient", "vorname", "nachname", "nom", "prénom", "nombre"];

/** `Dr. Jane Doe`, `Name: Jane Doe`. */
export const person: ScanDetector = scanning("PERSON", function* (scan) {
  for (const start of behind(scan, TITLES, ". \t")) {
    const end = isCapital(scan.text.charAt(start)) ? nameFrom(scan, start) : undefined;
    if (end !== undefined) yield { start, end };
  }
  for (const start of behind(scan, NAME_LABELS, ": \t\"'=")) {
    const mark = scan.slice({ start: Math.max(0, start - 6), end: start });
    const end = /[:=]/.test(mark) ? nameFrom(scan, start) : undefined;
    if (end !== undefined) yield { start, end };
  }
});

const BIRTH = [
  "dob",
  "d.o.b",
  "date of birth",
  "birth date",
  "birthdate",
  "birthday",
  "born",
  "born on",
  "geboren",
  "geboren am",
  "geb",
  "geburtsdatum",
  "né le",
  "née le",
  "date de naissance",
];
const MONTHS =
  "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t|tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?";
const DATE = new RegExp(
  `^(?:\\d{4}[-/.]\\d{1,2}[-/.]\\d{1,2}|\\d{1,2}[-/.]\\d{1,2}[-/.]\\d{2,4}|\\d{1,2}(?:st|nd|rd|th)? (?:${MONTHS}),? \\d{4}|(?:${MONTHS}) \\d{1,2},? \\d{4})`,
  "i",
);
const DATE_CHARACTERS = 24;

/** A date behind a word that says it is somebody's birth. */
export const birth: ScanDetector = scanning("BIRTH_DATE", function* (scan) {
  for (const start of behind(scan, BIRTH, ".: \t\"'=")) {
    const [date] = DATE.exec(scan.slice({ start, end: start + DATE_CHARACTERS })) ?? [];
    if (date !== undefined) yield { start, end: start + date.length };
  }
});

const STREETS = new Set(
  "street st road rd avenue ave lane ln drive dr boulevard blvd court ct way terrace square sq place pl close crescent".split(
    " ",
  ),
);
const GERMAN_STREET = /(?:straße|strasse|str|weg|allee|platz|gasse|ufer|damm)$/i;
const FRENCH_STREETS = new Set(["rue", "avenue", "boulevard", "place", "impasse", "allée", "quai", "chemin"]);

/** `221B Baker Street`, `Hauptstraße 12`, `12 rue de la Paix`. */
export const street: ScanDetector = scanning("ADDRESS", function* (scan) {
  for (const number of scan.groups) {
    if (number.end - number.start > 5 || scan.is(number.start - 1, WORD)) continue;
    const numberEnd = scan.is(number.end, WORD) && !scan.is(number.end + 1, WORD) ? number.end + 1 : number.end;
    const span =
      numberFirst(scan, { start: number.start, end: numberEnd }) ?? numberLast(scan, number.start, numberEnd);
    if (span !== undefined) yield span;
  }
});

function numberFirst(scan: Scan, { start, end }: Span): Span | undefined {
  let at = scan.forward(end, characters("", " ,"), 2);
  if (at === end) return undefined;
  let isFrench = false;
  for (let words = 0; words < 5; words++) {
    const stop = scan.forward(at, NAME_PART, 40);
    const word = scan.slice({ start: at, end: stop });
    if (words > 0 && !isFrench && STREETS.has(word.toLowerCase())) return { start, end: stop };
    isFrench ||= words === 0 && FRENCH_STREETS.has(word.toLowerCase());
    if (isFrench && words > 0 && isCapital(word.charAt(0))) return { start, end: stop };
    if (word === "" || (!isFrench && !isCapital(word.charAt(0)))) return undefined;
    at = after(scan, stop);
  }
  return undefined;
}

function numberLast(scan: Scan, numberStart: number, end: number): Span | undefined {
  const gap = scan.backward(numberStart, characters("", " ."), 2);
  if (gap === numberStart) return undefined;
  const start = scan.backward(gap, NAME_PART, 40);
  const word = scan.slice({ start, end: gap });
  return isCapital(word.charAt(0)) && GERMAN_STREET.test(word) ? { start, end } : undefined;
}

const DOCUMENTS = [
  "passport",
  "passport no",
  "passport number",
  "driver's license",
  "driving licence",
  "license number",
  "personalausweis",
  "reisepass",
  "national id",
  "tax id",
];

/** A number behind the name of a document: six characters at least, some of them digits. */
export const documentNumber: ScanDetector = scanning("DOCUMENT", function* (scan) {
  for (const start of behind(scan, DOCUMENTS, ".:# \t\"'=")) {
    const end = scan.forward(start, VALUE, 20);
    if (
      end - start >= 6 &&
      scan.forward(start, characters("azAZ", "-", true), 20) < end &&
      hasDigits(scan, { start, end })
    )
      yield { start, end };
  }
});

const hasDigits = (scan: Scan, { start, end }: Span): boolean => {
  let found = 0;
  for (let at = start; at < end; at++) if (scan.is(at, DIGITS)) found++;
  return found >= 4;
};

const PASSWORDS = [
  "password",
  "passwd",
  "pwd",
  "passphrase",
  "passwort",
  "mot de passe",
  "api key",
  "api_key",
  "secret",
];
const SECRET = characters("!~", "");
const QUOTES = /["'`]/;

/** What stands behind `password:` or `password=`. */
export const password: ScanDetector = scanning("PASSWORD", function* (scan) {
  for (const from of behind(scan, PASSWORDS, ": \t\"'=")) {
    const mark = scan.slice({ start: Math.max(0, from - 6), end: from });
    if (!/[:=]/.test(mark)) continue;
    const whole = scan.forward(from, SECRET, 128);
    const quote = scan.slice({ start: from, end: whole }).search(QUOTES);
    const end = quote < 0 ? whole : from + quote;
    if (end - from >= 4 && !/^[$%{<*]/.test(scan.text.charAt(from))) yield { start: from, end };
  }
});
