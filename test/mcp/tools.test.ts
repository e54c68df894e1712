import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { agent, flow, mcpTools, type McpOptions, type McpTools, scriptedModel, type ToolContext } from "flujo";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { connectMcp } from "../../src/agents/mcp/connect.ts";
import { Scene } from "../engine/scene.ts";
import { type Asked, ECHO, type Offered, serverWith } from "./server.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function clientOf(tools: readonly Offered[], pageSize?: number): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const server = serverWith(tools, pageSize);
  const [here, there] = InMemoryTransport.createLinkedPair();
  await server.connect(there);
  await client.connect(here);
  opened.push(client, server);
  return client;
}

const toolsOf = async (tools: readonly Offered[], options?: McpOptions): Promise<McpTools> =>
  mcpTools(await clientOf(tools), options);

const named = (...names: readonly string[]): readonly Offered[] => names.map((name) => ({ name }));

describe("the tools of an MCP server", () => {
  it("are offered as the server describes them", async () => {
    const [echo] = await toolsOf([ECHO]);
    expect(echo?.offer).toEqual({ name: "echo", description: "Says it again", parameters: ECHO.inputSchema });
  });

  it("are those that are allowed, under a prefix", async () => {
    const tools = await toolsOf(named("a", "b", "c"), { allow: ["c", "a"], prefix: "x_" });
    expect(tools.map(({ name }) => name)).toEqual(["x_a", "x_c"]);
  });

  it("are read from all pages", async () => {
    const tools = await mcpTools(await clientOf(named("a", "b", "c", "d", "e"), 2));
    expect(tools.map(({ name }) => name)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("have names that every provider takes", async () => {
    const long = `${"n".repeat(80)}1`;
    const tools = await toolsOf(named("files/read.all", long, `${"n".repeat(80)}2`));
    expect(tools[0]?.name).toBe("files_read_all");
    expect(new Set(tools.map(({ name }) => name)).size).toBe(3);
    expect(tools.every(({ name }) => /^[A-Za-z0-9_-]{1,64}$/.test(name))).toBe(true);
  });

  it.each([
    ["an allowed tool that is not there", named("a"), { allow: ["b"] }],
    ["two that would have one name", named("a.b", "a/b"), {}],
  ])("are refused for %s", async (_, tools, options) => {
    await expect(toolsOf(tools, options)).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("are refused when the list never ends", async () => {
    const endless = {
      listTools: () => Promise.resolve({ tools: [], nextCursor: "more" }),
      callTool: () => Promise.resolve({}),
      close: () => Promise.resolve(),
    };
    await expect(mcpTools(endless)).rejects.toMatchObject({ code: "TOOL_SERVER_UNAVAILABLE" });
  });

  it("ask a person where that is wanted", async () => {
    const options: McpOptions = { requiresApproval: (name, input) => name === "b" && input === 1 };
    const [a, b] = await toolsOf(named("a", "b"), options);
    expect([a?.needsApproval?.(1), b?.needsApproval?.(1), b?.needsApproval?.(2)]).toEqual([false, true, false]);
    const [plain] = await toolsOf(named("a"));
    expect(plain?.needsApproval).toBe(undefined);
  });
});

/** What a model that calls these is told, and what the run came to. */
async function told(offered: Offered, given: unknown, options?: McpOptions): Promise<unknown> {
  await using scene = new Scene("memory");
  const tools = await toolsOf([offered], options);
  const call = { calls: [{ name: offered.name, arguments: given as never }] };
  using model = scriptedModel(options?.onError === "fail" ? [call] : [call, "done"]);
  const asker = agent({ name: "asker", model, tools });
  const ask = flow("ask", { version: "1" }).input(z.string()).agent("ask", asker).build();
  const result = await scene.open({ flows: [ask] }).run(ask, "go");
  if (result.status === "failed") return result.error.code;
  const answers = model.calls[1]?.request.messages.flatMap((one) => (one.role === "tool" ? one.answers : []));
  return answers?.[0]?.isError === true ? { error: answers[0].output } : answers?.[0]?.output;
}

const answering = (answer: { readonly [key: string]: unknown }): Offered => ({ name: "t", call: () => answer });
const text = (said: string): { readonly type: "text"; readonly text: string } => ({ type: "text", text: said });

describe("an agent with such a tool", () => {
  it("is told what it answers", async () => {
    expect(await told(ECHO, { query: "hello" })).toBe("you said hello");
  });

  it.each([
    ["several texts as one", { content: [text("a"), text("b")] }, "a\nb"],
    ["what is structured as it is", { content: [text("{}")], structuredContent: { n: 1 } }, { n: 1 }],
    ["nothing as an empty text", { content: [] }, ""],
    [
      "pictures without their bytes",
      { content: [text("look"), { type: "image", mimeType: "image/png", data: "AAAA" }] },
      ["look", { type: "image", mimeType: "image/png", omitted: "3 bytes" }],
    ],
    [
      "files with their text, and without their bytes",
      {
        content: [
          { type: "resource", resource: { uri: "file:///a", text: "A" } },
          { type: "resource", resource: { uri: "file:///b", blob: "AAAA" } },
        ],
      },
      [
        { type: "resource", uri: "file:///a", text: "A" },
        { type: "resource", uri: "file:///b", omitted: "3 bytes" },
      ],
    ],
  ])("is told %s", async (_, answer, expected) => {
    expect(await told(answering(answer), {})).toEqual(expected);
  });

  it("is told what went wrong, and goes on", async () => {
    const broken = answering({ content: [text("no such page")], isError: true });
    expect(await told(broken, {})).toEqual({ error: { error: { code: "STEP_FAILED", message: "no such page" } } });
    expect(await told(broken, {}, { onError: "fail" })).toBe("STEP_FAILED");
  });

  it("is told of arguments that break the server's schema, which hears nothing of them", async () => {
    const heard: Asked[] = [];
    const counting: Offered = { ...ECHO, call: (asked) => ({ content: [text(String(heard.push(asked)))] }) };
    expect(await told(counting, { query: 1 })).toMatchObject({
      error: { error: { code: "TOOL_ARGUMENTS_INVALID", message: expect.stringContaining("$.query") as string } },
    });
    expect(heard).toEqual([]);
  });

  it("is told that a tool took too long, which is called off", async () => {
    let calledOff = false;
    const slow: Offered = {
      name: "slow",
      call: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            calledOff = true;
            resolve({ content: [] });
          });
        }),
    };
    expect(await told(slow, {}, { timeout: 1 })).toMatchObject({ error: { error: { code: "STEP_FAILED" } } });
    expect(calledOff).toBe(true);
  });

  it("sends a key that names the call", async () => {
    const heard: Asked[] = [];
    const counting: Offered = { ...ECHO, call: (asked) => ({ content: [text(String(heard.push(asked)))] }) };
    await told(counting, { query: "a" });
    expect(heard).toMatchObject([{ arguments: { query: "a" }, meta: { "flujo/idempotencyKey": expect.any(String) } }]);
  });

  it("calls it off when its attempt is aborted", async () => {
    let isCalled = (): void => undefined;
    const called = new Promise<void>((resolve) => {
      isCalled = resolve;
    });
    let isOff = (): void => undefined;
    const off = new Promise<void>((resolve) => {
      isOff = resolve;
    });
    const endless: Offered = {
      name: "endless",
      call: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            isOff();
            resolve({ content: [] });
          });
          isCalled();
        }),
    };
    const [tool] = await toolsOf([endless]);
    const attempt = new AbortController();
    const context: Partial<ToolContext> = { signal: attempt.signal, idempotencyKey: "k" };
    const answer = tool?.run({}, context as ToolContext);
    await called;
    attempt.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
    await off;
  });
});

describe("a server", () => {
  const command = {
    command: process.execPath,
    args: ["--import", "tsx", fileURLToPath(new URL("process.ts", import.meta.url))],
  };

  it("is started, and ends with its tools", async () => {
    const client = await connectMcp(command);
    const tools = await mcpTools(client);
    expect(tools.map(({ name }) => name)).toEqual(["echo"]);
    await tools[Symbol.asyncDispose](); // not theirs to close
    expect(await client.callTool({ name: "echo", arguments: { query: "still there" } })).toMatchObject({
      content: [text("you said still there")],
    });
    await client.close();
    await using own = await mcpTools(command);
    expect(own).toHaveLength(1);
  });

  it("is reached over HTTP, with the headers given", async () => {
    const headers: unknown[] = [];
    const http = createServer((request, response) => {
      headers.push(request.headers.authorization);
      const transport = new StreamableHTTPServerTransport({});
      const server = serverWith([ECHO]);
      response.on("close", () => void server.close());
      void server.connect(transport as never).then(() => transport.handleRequest(request, response));
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const address = http.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const tools = await mcpTools({ url: `http://127.0.0.1:${port}/mcp`, headers: { authorization: "Bearer x" } });
    expect(tools.map(({ name }) => name)).toEqual(["echo"]);
    await tools[Symbol.asyncDispose]();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
    expect(new Set(headers)).toEqual(new Set(["Bearer x"]));
  });

  it.each([
    ["cannot be started", { command: "no-such-command-here" }],
    ["is no URL", { url: "not a url" }],
    ["speaks something else", { command: process.execPath, args: ["-e", "process.exit(3)"] }],
  ])("that %s is named", async (_, source) => {
    await expect(mcpTools(source)).rejects.toMatchObject({ code: "TOOL_SERVER_UNAVAILABLE" });
  });

  it("needs a package, and says which", async () => {
    const missing = connectMcp({ command: "x" }, () => Promise.reject(new Error("Cannot find package")));
    await expect(missing).rejects.toMatchObject({
      code: "DEPENDENCY_MISSING",
      message: expect.stringContaining("npm i @modelcontextprotocol/sdk") as string,
    });
  });
});
