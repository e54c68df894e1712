/** Keys of the well-known makers, and what is announced as one. */
const SECRETS: readonly RegExp[] = [
  /\b(?:sk|rk|pk)[-_][A-Za-z0-9_*-]{8,}/g,
  /\b(?:gsk|xai|key|pplx|hf|ghp|gho|ghs|github_pat|glpat)[-_][A-Za-z0-9_*-]{8,}/g,
  /\bAIza[A-Za-z0-9_-]{10,}/g,
  /\bAKIA[A-Z0-9]{12,}/g,
  /\bBearer\s+[^\s"',;]{4,}/gi,
  /\b(?:api[-_ ]?key|access[-_ ]?token|authorization|password|secret)["']?\s*[:=]\s*["']?[^\s"',;&]{4,}/gi,
];
const SECRET_NAME = /(?:api[-_]?key|token|secret|authorization|password|credentials?)$/i;

/** A text without what looks like a key. */
export const withoutKeys = (text: string): string =>
  SECRETS.reduce((rest, pattern) => rest.replace(pattern, "[secret]"), text);

/** Whether a property of this name is likely to hold a key. */
export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);
