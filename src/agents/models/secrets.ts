/** Keys of the well-known makers, and what is announced as one. */
const SECRETS: readonly RegExp[] = [
  /\b(?:sk|rk|pk)[-_][A-Za-z0-9_*-]{8,}/g,
  /\b(?:gsk|xai|key|pplx|hf|ghp|gho|ghs|github_pat|glpat)[-_][A-Za-z0-9_*-]{8,}/g,
  /\bAIza[A-Za-z0-9_-]{10,}/g,
  /\bAKIA[A-Z0-9]{12,}/g,
  /(?<=:\/\/)[^\s/@:]*:[^\s/@]+(?=@)/g,
  /\btoken\s+[A-Za-z0-9._-]{20,}/gi,
  /\bBearer\s+[^\s"',;]{4,}/gi,
  /\b(?:api[-_ ]?key|access[-_ ]?token|authorization|password|secret)["']?\s*[:=]\s*["']?[^\s"',;&]{4,}/gi,
];
const SECRET_NAME = /(?:api[-_]?key|token|secret|authorization|password|credentials?)$/i;

const MIN_CHARACTERS = 6; // what is shorter is a word that happens to occur

/** A text without what looks like a key. `known`: keys that the server was sent, whatever they look like. */
export function withoutKeys(text: string, known: readonly string[] = []): string {
  const open = known.reduce(
    (rest, key) => (key.length < MIN_CHARACTERS ? rest : rest.replaceAll(key, "[secret]")),
    text,
  );
  return SECRETS.reduce((rest, pattern) => rest.replace(pattern, "[secret]"), open);
}

/** Whether a property of this name is likely to hold a key. */
export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);
