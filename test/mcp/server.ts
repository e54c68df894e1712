import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

/** What came with a call. */
export interface Asked {
  readonly name: string;
  readonly arguments: unknown;
  readonly meta: unknown;
}

type Answer = { readonly [key: string]: unknown } | Promise<{ readonly [key: string]: unknown }>;

export interface Offered {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: { readonly [key: string]: unknown };
  readonly call?: (asked: Asked, signal: AbortSignal) => Answer;
}

const QUERY = { type: "object", properties: { query: { type: "string" } }, required: ["query"] };

/** A tool that says what it was asked. */
export const ECHO: Offered = {
  name: "echo",
  description: "Says it again",
  inputSchema: QUERY,
  call: (asked) => ({
    content: [{ type: "text", text: `you said ${(asked.arguments as { readonly query: string }).query}` }],
  }),
};

/** An MCP server with these tools, so many on each page of its list. */
export function serverWith(tools: readonly Offered[], pageSize = 100): Server {
  const server = new Server({ name: "test", version: "1" }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    const from = Number(params?.cursor ?? 0);
    const page = tools.slice(from, from + pageSize).map(({ name, description, inputSchema = { type: "object" } }) => ({
      name,
      ...(description !== undefined && { description }),
      inputSchema: { ...inputSchema, type: "object" as const },
    }));
    const next = from + pageSize < tools.length && { nextCursor: String(from + pageSize) };
    return { tools: page, ...next };
  });
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
    const found = tools.find(({ name }) => name === params.name);
    const asked = { name: params.name, arguments: params.arguments, meta: params._meta };
    return (await found?.call?.(asked, signal)) ?? { content: [] };
  });
  return server;
}
