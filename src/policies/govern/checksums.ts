/** Numbers that people carry have a check digit. Each function takes digits (IBAN: letters as well) and nothing else. */

const digit = (text: string, index: number): number => text.charCodeAt(index) - 48;

/** ISO/IEC 7812: payment cards. */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const value = digit(digits, digits.length - 1 - i);
    sum += i % 2 === 0 ? value : value > 4 ? value * 2 - 9 : value * 2;
  }
  return sum % 10 === 0;
}

/** Remainder of a number of any length, read digit by digit; letters count as 10 to 35 (ISO 7064). */
function remainder(text: string, modulus: number): number {
  let rest = 0;
  for (let i = 0; i < text.length; i++) {
    const value = Number.parseInt(text.charAt(i), 36);
    rest = (value > 9 ? rest * 100 + value : rest * 10 + value) % modulus;
  }
  return rest;
}

/** Lengths of IBANs by country; others have none. */
const IBAN_LENGTHS = new Map(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 " +
    "GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 MC27 MD24 " +
    "ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 " +
    "TR26 UA29 VA22 VG24 XK20"
  )
    .split(" ")
    .map((entry): [string, number] => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** How long an IBAN of this country is; undefined where there are none. */
export const ibanLength = (country: string): number | undefined => IBAN_LENGTHS.get(country);

/** ISO 13616, in capital letters and without spaces: the checksum only. */
export const iban = (text: string): boolean => remainder(text.slice(4) + text.slice(0, 4), 97) === 1;

/** NHS number: ten digits, weights 10 to 2, modulo 11. */
export function nhs(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < 9; i++) sum += digit(digits, i) * (10 - i);
  const check = (11 - (sum % 11)) % 11;
  return check !== 10 && check === digit(digits, 9) && !/^(\d)\1+$/.test(digits);
}

/** French NIR: sex, year, month, place, order, and 97 minus the remainder of those. */
export function nir(digits: string): boolean {
  const month = Number(digits.slice(3, 5));
  const plausible = (month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50;
  return /^[12378]/.test(digits) && plausible && 97 - remainder(digits.slice(0, 13), 97) === Number(digits.slice(13));
}

/** German tax id: of the first ten digits one comes twice or thrice, all others once; ISO 7064 modulo 11, 10. */
export function germanTaxId(digits: string): boolean {
  if (digits.startsWith("0")) return false;
  const counts = new Map<string, number>();
  for (const one of digits.slice(0, 10)) counts.set(one, (counts.get(one) ?? 0) + 1);
  const repeated = [...counts.values()].filter((count) => count > 1);
  if (repeated.length !== 1 || (repeated[0] ?? 0) > 3) return false;
  let product = 10;
  for (let i = 0; i < 10; i++) {
    const sum = (digit(digits, i) + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  return (11 - product) % 10 === digit(digits, 10);
}

/** US social security number: areas, groups and serials that are never given out, and the two that advertisements made famous. */
export function socialSecurity(digits: string): boolean {
  const [area, group, serial] = [digits.slice(0, 3), digits.slice(3, 5), digits.slice(5)];
  if (area === "000" || area === "666" || area.startsWith("9") || group === "00" || serial === "0000") return false;
  return digits !== "078051120" && digits !== "219099999";
}

const between = (text: string, from: number, to: number): boolean => {
  const value = Number(text);
  return value >= from && value <= to;
};

/** The issuer's range with the length that it issues, and Luhn. */
export function paymentCard(digits: string): boolean {
  return issued(digits) && luhn(digits) && !/^(\d)\1+$/.test(digits);
}

function issued(digits: string): boolean {
  const { length } = digits;
  const [two, three, four] = [digits.slice(0, 2), digits.slice(0, 3), digits.slice(0, 4)];
  if (two === "34" || two === "37") return length === 15;
  if (between(two, 51, 55) || between(four, 2221, 2720)) return length === 16;
  if (digits.startsWith("4")) return length === 13 || length === 16 || length === 19;
  if (between(three, 300, 305) || two === "36" || two === "38" || two === "39") return length === 14 || length === 16;
  if (four === "6011" || two === "65" || between(three, 644, 649) || two === "62") return length >= 16;
  return between(four, 3528, 3589) && length >= 16;
}
