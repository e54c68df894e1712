import { type Duration, durationMs } from "../../domain/duration.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { Schema } from "../../domain/schema.ts";
import { sha256 } from "../../domain/sha256.ts";
import type { Wire } from "../../domain/wire.ts";
import type { JsonSchema } from "../../definition/json-schema.ts";
import { issuesOf } from "../structured/conform.ts";
import { type Tool, tool } from "../tool.ts";
import { type ListedTool, outputIn, toolsIn } from "./answers.ts";
import { connectMcp, type McpClient, type McpServer } from "./connect.ts";

export interface McpOptions {
  /** Only these tools of the server, by its own names. Default: all. */
  readonly allow?: readonly string[];
  /** Before each name, so that tools of two servers differ: "github_". Default: nothing. */
  readonly prefix?: string;
  /** Which tools a person has to approve at each call, by the server's name for them. Needs a granular agent. Default: none. */
  readonly requiresApproval?: boolean | ((tool: string, input: unknown) => boolean);
  /** `return` (default): the model is told of a failure and goes on. `fail`: the agent fails. */
  readonly onError?: "return" | "fail";
  /** How long one call may take. Default "60s". */
  readonly timeout?: Duration;
}

/** Tools of one server, and what was opened for them: dispose of it when no agent needs them any more. */
export type McpTools = readonly Tool[] & AsyncDisposable;

const MAX_PAGES = 100; // a server that always has another page has no end

/**
 * The tools of an MCP server, for agents:
 *
 *   await using search = await mcpTools({ command: "npx", args: ["-y", "some-server"] }, { allow: ["search"] });
 *   const researcher = agent({ name: "researcher", model, tools: search });
 *
 * Or of a client that you have connected yourself, and close yourself. They are listed once: an agent is what its run was begun
 * with, so a tool that its server adds later is not in it, and one that it takes away answers with an error. Calls may be repeated
 * like those of any tool; `_meta` of each says `flujo/idempotencyKey`, the same for every attempt.
 *
 * Throws DEPENDENCY_MISSING, TOOL_SERVER_UNAVAILABLE, OPTION_INVALID for an allowed tool that is not there and two of one name.
 */
export async function mcpTools(source: McpClient | McpServer, options: McpOptions = {}): Promise<McpTools> {
  const { timeout = "60s", allow } = options;
  const timeoutMs = durationMs(timeout, "timeout");
  const isOurs = !("callTool" in source);
  const client = isOurs ? await connectMcp(source) : source;
  const close = async (): Promise<void> => {
    if (isOurs) await client.close();
  };
  try {
    const listed = await listedBy(client);
    const missing = allow?.find((name) => !listed.some((one) => one.name === name));
    if (missing !== undefined) {
      const known = listed.map(({ name }) => name).join(", ");
      throw new FlujoError("OPTION_INVALID", `allow: the server has no tool "${missing}"; it has ${known}`);
    }
    const wanted = allow === undefined ? listed : listed.filter(({ name }) => allow.includes(name));
    const tools = wanted.map((one) => toolOf(one, { client, options, timeoutMs }));
    refuseTwins(tools);
    return Object.freeze(Object.assign(tools, { [Symbol.asyncDispose]: close }));
  } catch (error) {
    await close();
    throw error;
  }
}

async function listedBy(client: McpClient): Promise<readonly ListedTool[]> {
  const all: ListedTool[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { tools, next } = toolsIn(await client.listTools(cursor === undefined ? {} : { cursor }).catch(unlisted));
    all.push(...tools);
    if (next === undefined) return all;
    cursor = next;
  }
  throw new FlujoError("TOOL_SERVER_UNAVAILABLE", `the MCP server's list of tools has more than ${MAX_PAGES} pages`);
}

function unlisted(cause: unknown): never {
  throw new FlujoError("TOOL_SERVER_UNAVAILABLE", "the MCP server lists no tools", { cause });
}

interface Calling {
  readonly client: McpClient;
  readonly options: McpOptions;
  readonly timeoutMs: number;
}

function toolOf({ name, description, parameters }: ListedTool, { client, options, timeoutMs }: Calling): Tool {
  const { prefix = "", requiresApproval = false, onError } = options;
  return tool({
    name: offeredName(prefix + name),
    description,
    input: schemaOf(parameters),
    parameters,
    requiresApproval:
      typeof requiresApproval === "function" ? (input: unknown) => requiresApproval(name, input) : requiresApproval,
    ...(onError !== undefined && { onError }),
    run: async (input: unknown, { signal, idempotencyKey }) => {
      const call = { name, arguments: input as Record<string, unknown>, _meta: { [KEY]: idempotencyKey } };
      return outputIn(await client.callTool(call, undefined, { signal, timeout: timeoutMs }), name);
    },
  });
}

const KEY = "flujo/idempotencyKey";
const MAX_NAME = 64; // what every provider accepts
const HASHED = 8;

/** A server's name may be longer than a provider's, and have other characters. */
function offeredName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, "_");
  return plain.length <= MAX_NAME ? plain : `${plain.slice(0, MAX_NAME - HASHED - 1)}_${sha256(name).slice(0, HASHED)}`;
}

function refuseTwins(tools: readonly Tool[]): void {
  const twin = tools.find(({ name }, i) => tools.findIndex((other) => other.name === name) !== i);
  if (twin !== undefined)
    throw new FlujoError("OPTION_INVALID", `two tools of the server would be called "${twin.name}": allow one of them`);
}

/** Checks what we read of a JSON schema; the server checks the rest. Arguments pass as they are. */
const schemaOf = (schema: JsonSchema): Schema => ({
  "~standard": {
    version: 1,
    vendor: "flujo",
    validate: (value) => {
      const issues = issuesOf(value as Wire, { schema: { type: "object", ...schema }, root: schema });
      if (issues.length === 0) return { value };
      return { issues: issues.map(({ path, message }) => ({ path: path === "$" ? [] : [path.slice(2)], message })) };
    },
  },
});
