import { readFile } from "node:fs/promises";
import { mockServer } from "../../agents/models/mock-server/server.ts";
import { readScript, type ScriptFile } from "../../agents/models/scripted/script-file.ts";
import { lastSaid } from "../../agents/models/scripted/script.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { Shell } from "../shell.ts";

export interface MockLlmOptions {
  readonly host: string;
  readonly port: string;
  readonly script?: string;
}

const ECHO: ScriptFile = { models: ["mock"], next: (request) => `You said: ${lastSaid(request)}` };
const MAX_PORT = 65_535;

/** `flujo mock-llm`: a server with the interface of OpenAI that says what a script says, until it is stopped. */
export async function mockLlmCommand(shell: Shell, { host, port, script }: MockLlmOptions): Promise<number> {
  const stopped = shell.interrupts.graceful;
  if (!/^\d{1,5}$/.test(port) || Number(port) > MAX_PORT) {
    throw new FlujoError("OPTION_INVALID", `--port: expected a number up to ${MAX_PORT} but found "${port}"`);
  }
  const { next, models } = script === undefined ? ECHO : readScript(script, await textOf(shell.file(script)));
  await using server = await mockServer({ next, models, host, port: Number(port) });
  const choice = `openai-compatible:${server.url}#${models[0] ?? "mock"}`;
  shell.result({ url: server.url, model: choice, models }, () => `${server.url}\nas a model: ${choice}`);
  shell.note("answering until stopped with Ctrl-C");
  await new Promise((resolve) => {
    if (stopped.aborted) resolve(undefined);
    else stopped.addEventListener("abort", resolve, { once: true });
  });
  return 0; // it has no other end: being stopped is success
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new FlujoError("OPTION_INVALID", `--script: ${file} cannot be read`, { cause: error });
  }
}
