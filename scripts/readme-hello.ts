/** The hello program of README.md, and what the README says that it prints. */
export interface Hello {
  readonly code: string;
  /** From a ```text fence right after the program (prose between them is fine, another fence is not). */
  readonly prints: string | undefined;
}

const FENCE = /^```ts title="hello\.ts"\n([\s\S]*?)^```$/m;
const NEXT_FENCE = /^```([^\n]*)\n([\s\S]*?)^```$/m;

export function readHello(readme: string): Hello {
  const match = readme.match(FENCE);
  if (match?.index === undefined || match[1] === undefined) {
    throw new Error(
      'README.md has no fence that opens with ```ts title="hello.ts"; the package test runs that program.',
    );
  }
  const next = readme.slice(match.index + match[0].length).match(NEXT_FENCE);
  const prints = next?.[1]?.startsWith("text") === true ? next[2] : undefined;
  return { code: match[1], prints };
}
