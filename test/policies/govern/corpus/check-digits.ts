/** Numbers completed with their check digits, by the definitions, and not by the code that is tested. */

export function withLuhn(body: string): string {
  const check = [...Array(10).keys()].find((digit) => luhnSum(`${body}${digit}`) % 10 === 0);
  return `${body}${check}`;
}

export function luhnSum(digits: string): number {
  return digits
    .split("")
    .reverse()
    .reduce((sum, character, index) => {
      const doubled = index % 2 === 1 ? Number(character) * 2 : Number(character);
      return sum + Math.floor(doubled / 10) + (doubled % 10);
    }, 0);
}

/** Country, two check digits, account: 98 minus the remainder of account, country and 00 as one number. */
export function withIbanCheck(country: string, account: string): string {
  const asDigits = `${account}${country}00`
    .split("")
    .map((character) => Number.parseInt(character, 36))
    .join("");
  return `${country}${String(98n - (BigInt(asDigits) % 97n)).padStart(2, "0")}${account}`;
}

/** Undefined where the nine digits have no check digit. */
export function withNhsCheck(body: string): string | undefined {
  const sum = body.split("").reduce((total, digit, index) => total + Number(digit) * (10 - index), 0);
  const check = (11 - (sum % 11)) % 11;
  return check === 10 ? undefined : `${body}${check}`;
}

export const withNirKey = (body: string): string => `${body}${String(97n - (BigInt(body) % 97n)).padStart(2, "0")}`;

export function withTaxCheck(body: string): string {
  const product = body.split("").reduce((carried, digit) => {
    const sum = (Number(digit) + carried) % 10 || 10;
    return (sum * 2) % 11;
  }, 10);
  return `${body}${(11 - product) % 10}`;
}
