import { email, ipv4, ipv6, mac } from "./addresses.ts";
import type { ScanDetector } from "./detector.ts";
import { bankAccount, card, frenchNir, germanTax, nhsNumber, ssn } from "./numbers.ts";
import { phone } from "./phones.ts";
import { awsSecret, issuedKeys, jwt, privateKey, urlCredentials } from "./secrets.ts";
import { birth, documentNumber, password, person, street } from "./strong.ts";

/** Those with a checksum, or a form that nothing else has, before those without: of two that find the same the first names it. */
const BUILT_IN: readonly ScanDetector[] = [
  privateKey,
  jwt,
  ...issuedKeys,
  awsSecret,
  urlCredentials,
  email,
  bankAccount,
  card,
  frenchNir,
  ssn,
  germanTax,
  mac,
  ipv6,
  ipv4,
  nhsNumber,
  phone,
];

const STRONG: readonly ScanDetector[] = [person, birth, street, documentNumber, password];

/**
 * The detectors that come with this package. `strong` adds those that go by the words around: names behind titles and labels,
 * dates of birth, street addresses, numbers of documents, passwords. They find more, and hide more that is harmless.
 */
export const builtInDetectors = ({ strong = false }: { readonly strong?: boolean } = {}): readonly ScanDetector[] =>
  strong ? [...BUILT_IN, ...STRONG] : BUILT_IN;
