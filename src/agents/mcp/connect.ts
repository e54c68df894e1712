import { FlujoError } from "../../domain/errors.ts";

/** A connected client of MCP, by shape: `Client` of @modelcontextprotocol/sdk fits as it is. */
export interface McpClient {
  listTools(params?: { readonly cursor?: string }): Promise<unknown>;
  callTool(
    params: {
      readonly name: string;
      readonly arguments?: Record<string, unknown>;
      readonly _meta?: Record<string, unknown>;
    },
    resultSchema?: undefined,
    options?: { readonly signal?: AbortSignal; readonly timeout?: number },
  ): Promise<unknown>;
  close(): Promise<void>;
}

/** A server to start: it speaks MCP over its standard input and output, and ends with the client. */
export interface McpCommand {
  readonly command: string;
  readonly args?: readonly string[];
  /** Instead of the few harmless variables that a server gets otherwise (PATH, HOME and the like): nothing of this process's secrets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A server that runs somewhere: it speaks MCP over streamable HTTP. */
export interface McpUrl {
  readonly url: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
}

export type McpServer = McpCommand | McpUrl;

type Load = (name: string) => Promise<unknown>;

const PACKAGE = "@modelcontextprotocol/sdk";
const importPackage: Load = async (name) => (await import(name)) as unknown;

/** What we use of the package: its own types are far larger than that. */
interface Sdk {
  readonly Client: new (info: {
    readonly name: string;
    readonly version: string;
  }) => McpClient & {
    connect(transport: unknown): Promise<void>;
  };
  readonly StdioClientTransport: new (options: object) => object;
  readonly StreamableHTTPClientTransport: new (url: URL, options: object) => object;
}

/** Starts or reaches a server. Throws DEPENDENCY_MISSING and TOOL_SERVER_UNAVAILABLE. */
export async function connectMcp(server: McpServer, load: Load = importPackage): Promise<McpClient> {
  const { Client, StdioClientTransport, StreamableHTTPClientTransport } = await sdk(load);
  const client = new Client({ name: "flujo", version: "1" });
  try {
    const transport =
      "url" in server
        ? new StreamableHTTPClientTransport(new URL(server.url), { requestInit: { headers: server.headers ?? {} } })
        : new StdioClientTransport({ ...server, args: server.args ?? [] });
    await client.connect(transport);
    return client;
  } catch (cause) {
    await client.close();
    const where = "url" in server ? originOf(server.url) : server.command;
    throw new FlujoError("TOOL_SERVER_UNAVAILABLE", `no MCP server at ${where}`, { cause });
  }
}

/** Paths and parameters of a URL may hold a key. */
function originOf(url: string | URL): string {
  const text = String(url);
  return URL.canParse(text) ? new URL(text).origin : "this URL";
}

async function sdk(load: Load): Promise<Sdk> {
  try {
    const modules = await Promise.all(
      ["client/index.js", "client/stdio.js", "client/streamableHttp.js"].map((path) => load(`${PACKAGE}/${path}`)),
    );
    return Object.assign({}, ...modules) as Sdk;
  } catch (cause) {
    throw new FlujoError("DEPENDENCY_MISSING", `tools of MCP servers need a package: npm i ${PACKAGE}`, { cause });
  }
}
