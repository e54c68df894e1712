/** A provider whose models come from a package of the AI SDK. */
export interface PackagedProvider {
  readonly packageName: string;
  /** The function of the package that makes a provider with a key. */
  readonly create: string;
  /** Where its key may stand in the environment; the first is named when none is set. */
  readonly keys: readonly string[];
  /** Variable for another address, for gateways. */
  readonly baseUrl: string;
  readonly embeds: boolean;
  /** For messages. */
  readonly example: string;
}

export const PACKAGED: Readonly<Record<string, PackagedProvider>> = {
  openai: {
    packageName: "@ai-sdk/openai",
    create: "createOpenAI",
    keys: ["OPENAI_API_KEY"],
    baseUrl: "OPENAI_BASE_URL",
    embeds: true,
    example: "gpt-4o",
  },
  anthropic: {
    packageName: "@ai-sdk/anthropic",
    create: "createAnthropic",
    keys: ["ANTHROPIC_API_KEY"],
    baseUrl: "ANTHROPIC_BASE_URL",
    embeds: false,
    example: "claude-sonnet-4-5",
  },
  google: {
    packageName: "@ai-sdk/google",
    create: "createGoogleGenerativeAI",
    keys: ["GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"],
    baseUrl: "GOOGLE_GENERATIVE_AI_BASE_URL",
    embeds: true,
    example: "gemini-2.5-pro",
  },
  mistral: {
    packageName: "@ai-sdk/mistral",
    create: "createMistral",
    keys: ["MISTRAL_API_KEY"],
    baseUrl: "MISTRAL_BASE_URL",
    embeds: true,
    example: "mistral-large-latest",
  },
  groq: {
    packageName: "@ai-sdk/groq",
    create: "createGroq",
    keys: ["GROQ_API_KEY"],
    baseUrl: "GROQ_BASE_URL",
    embeds: false,
    example: "llama-3.3-70b-versatile",
  },
};

/** Makers by the beginning of their models' names, for the advice to somebody who left the provider out. */
const BY_PREFIX: readonly (readonly [prefix: RegExp, provider: string])[] = [
  [/^(gpt-|o\d|chatgpt-|text-embedding-)/i, "openai"],
  [/^claude/i, "anthropic"],
  [/^(gemini|gemma)/i, "google"],
  [/^(mistral|ministral|codestral|pixtral|magistral)/i, "mistral"],
  [/^(llama|qwen|phi|deepseek)/i, "ollama"],
];

export const makerOf = (model: string): string | undefined => BY_PREFIX.find(([prefix]) => prefix.test(model))?.[1];
