import { FlujoError } from "../../domain/errors.ts";
import { didYouMean } from "../../domain/suggest.ts";
import type { Embedder, Model } from "../../ports/model.ts";
import { embedderFromAiSdk, fromAiSdk } from "./ai-sdk/adapter.ts";
import type { AiSdkEmbedder, AiSdkModel } from "./ai-sdk/shape.ts";
import { openAiCompatible, type OpenAiCompatibleOptions, openAiCompatibleEmbedder } from "./openai-compatible.ts";
import { makerOf, PACKAGED, type PackagedProvider } from "./providers.ts";

export interface ResolveOptions {
  /** Where keys and addresses are looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Loads a package by its name. Default: the runtime's own import. */
  readonly load?: (packageName: string) => Promise<unknown>;
}

/**
 * The model that a text names; a model is what it is. `openai:gpt-4o`, `anthropic:…`, `google:…`, `mistral:…` and `groq:…` need the
 * provider's package of the AI SDK and its key; `ollama:llama3.2` and `openai-compatible:http://host:port/v1#model` need neither.
 * Throws MODEL_UNKNOWN, DEPENDENCY_MISSING (with the line that installs it) and MODEL_KEY_MISSING (with the variable).
 */
export async function resolveModel(choice: string | Model, options: ResolveOptions): Promise<Model> {
  if (typeof choice !== "string") return choice;
  const server = serverOf(choice, options);
  if (server !== undefined) return openAiCompatible(server);
  const { packaged, id } = packagedOf(choice);
  const provider = await providerFrom(packaged, options);
  const make =
    callable(provider, "languageModel") ?? callable(provider, "chat") ?? missing(packaged, "language models");
  return fromAiSdk(make(id) as AiSdkModel);
}

/** The same for embedding models: `openai:text-embedding-3-small`, `ollama:nomic-embed-text` … */
export async function resolveEmbedder(choice: string | Embedder, options: ResolveOptions): Promise<Embedder> {
  if (typeof choice !== "string") return choice;
  const server = serverOf(choice, options);
  if (server !== undefined) return openAiCompatibleEmbedder(server);
  const { name, packaged, id } = packagedOf(choice);
  if (!packaged.embeds) throw unknown(`"${choice}": ${name} has no embedding models; ${KNOWN_EMBEDDERS} have`);
  const provider = await providerFrom(packaged, options);
  const make =
    callable(provider, "embeddingModel") ??
    callable(provider, "textEmbeddingModel") ??
    missing(packaged, "embedding models");
  return embedderFromAiSdk(make(id) as AiSdkEmbedder);
}

const SERVERS: readonly string[] = ["ollama", "openai-compatible"];
const KNOWN: readonly string[] = [...Object.keys(PACKAGED), ...SERVERS];
const KNOWN_EMBEDDERS = KNOWN.filter((name) => PACKAGED[name]?.embeds !== false).join(", ");
const OLLAMA = "http://127.0.0.1:11434";

const unknown = (what: string): FlujoError => new FlujoError("MODEL_UNKNOWN", what);

function parts(choice: string): readonly [provider: string, id: string] {
  const colon = choice.indexOf(":");
  return colon < 0 ? ["", choice] : [choice.slice(0, colon), choice.slice(colon + 1).trim()];
}

/** Those that are spoken to without a package. */
function serverOf(choice: string, { env }: ResolveOptions): OpenAiCompatibleOptions | undefined {
  const [provider, id] = parts(choice);
  if (provider === "ollama" && id !== "") return { provider, model: id, baseUrl: `${hostOf(env["OLLAMA_HOST"])}/v1` };
  if (provider !== "openai-compatible") return undefined;
  const [baseUrl = "", model = ""] = id.split("#", 2);
  if (model === "" || !/^https?:$/.test(protocolOf(baseUrl))) {
    throw unknown('expected "openai-compatible:http://host:port/v1#model", with an address and a model');
  }
  const apiKey = env["OPENAI_COMPATIBLE_API_KEY"];
  return { baseUrl, model, ...(apiKey !== undefined && apiKey !== "" && { apiKey }) };
}

const protocolOf = (url: string): string => (URL.canParse(url) ? new URL(url).protocol : "");

/** Ollama's own variable names what its server listens on: often without a protocol, and with an address that means "all". */
function hostOf(host: string | undefined): string {
  if (host === undefined || host === "") return OLLAMA;
  const address = /^https?:\/\//.test(host) ? host : `http://${host}`;
  if (!URL.canParse(address))
    throw new FlujoError("CONFIG_INVALID", "OLLAMA_HOST: expected an address such as 127.0.0.1:11434");
  const url = new URL(address);
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  if (url.port === "" && !/^https?:\/\//.test(host)) url.port = "11434";
  return url.href.replace(/\/+$/, "");
}

function packagedOf(choice: string): {
  readonly name: string;
  readonly packaged: PackagedProvider;
  readonly id: string;
} {
  const [name, id] = parts(choice);
  const packaged = Object.hasOwn(PACKAGED, name) ? PACKAGED[name] : undefined;
  if (packaged !== undefined && id !== "") return { name, packaged, id };
  if (packaged !== undefined) throw unknown(`"${choice}" names no model, as "${name}:${packaged.example}" does`);
  const maker = makerOf(choice);
  if (maker !== undefined && !KNOWN.includes(name))
    throw unknown(`"${choice}" names no provider; did you mean "${maker}:${choice}"?`);
  throw unknown(`"${choice}" names no provider that is known: ${KNOWN.join(", ")}${didYouMean(name, KNOWN)}`);
}

async function providerFrom(
  packaged: PackagedProvider,
  { env, load = importPackage }: ResolveOptions,
): Promise<object> {
  const apiKey = packaged.keys.map((key) => env[key]).find((key) => key !== undefined && key !== "");
  const module = await loaded(packaged, load, apiKey === undefined);
  if (apiKey === undefined) {
    throw new FlujoError(
      "MODEL_KEY_MISSING",
      `set ${packaged.keys.join(" or ")}: models of ${packaged.packageName} need a key`,
    );
  }
  const create = callable(module, packaged.create) ?? missing(packaged, packaged.create);
  const baseURL = env[packaged.baseUrl];
  const provider = create({ apiKey, ...(baseURL !== undefined && baseURL !== "" && { baseURL }) });
  return (typeof provider === "object" || typeof provider === "function") && provider !== null
    ? provider
    : missing(packaged, "a provider");
}

const importPackage = async (name: string): Promise<unknown> => (await import(name)) as unknown;

async function loaded(
  { packageName, keys }: PackagedProvider,
  load: (name: string) => Promise<unknown>,
  needsKey: boolean,
): Promise<object> {
  try {
    const module = await load(packageName);
    return typeof module === "object" && module !== null ? module : {};
  } catch (error) {
    const key = needsKey ? `, and a key in ${keys.join(" or ")}` : "";
    throw new FlujoError("DEPENDENCY_MISSING", `this model needs a package: npm i ${packageName}${key}`, {
      cause: error,
    });
  }
}

/** The method of that name, bound to its owner. */
function callable(owner: object, name: string): ((argument: unknown) => unknown) | undefined {
  const method: unknown = Reflect.get(owner, name);
  return typeof method === "function" ? (argument) => Reflect.apply(method, owner, [argument]) as unknown : undefined;
}

function missing({ packageName }: PackagedProvider, what: string): never {
  throw new FlujoError(
    "DEPENDENCY_MISSING",
    `the installed ${packageName} has no ${what}: npm i ${packageName}@latest`,
  );
}
