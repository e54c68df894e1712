/**
 * Proves the package as a user meets it: packed, installed into an empty folder by plain npm, and run. The hello
 * program of the README runs on this Node and on the newest Node that npm supplies. Needs dist/ and a registry.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { anyInDeclarations } from "./published-any.ts";
import { type Hello, readHello } from "./readme-hello.ts";

/** Newest first; the first that installs is used. */
const NODE_MAJORS = [26, 24, 22] as const;
const COMMAND_TIMEOUT_MS = 180_000;

/** What an agent comes to that is scripted, and one that names a model of a provider. */
const AGENTS = `
import { agent, flow, Flujo, scriptedModel } from "flujo";
const of = (name, model) => flow(name, { version: "1" }).agent("say", agent({ name, model })).build();
const flows = [of("scripted", scriptedModel(["hello"])), of("named", "openai:gpt-4o")];
const flujo = new Flujo({ store: "memory:", flows });
const [scripted, named] = await Promise.all(flows.map((one) => flujo.run(one, "hi")));
console.log(JSON.stringify({ output: scripted.output, code: named.failure.code, message: named.failure.message }));
await flujo.close();
`;

const root = fileURLToPath(new URL("..", import.meta.url));
const temp = mkdtempSync(join(tmpdir(), "flujo-package-"));

try {
  checkPackage();
} finally {
  rmSync(temp, { recursive: true, force: true });
}

function checkPackage(): void {
  const found = anyInDeclarations(join(root, "dist"));
  if (found.length > 0) throw new Error(`Published types contain any:\n${found.join("\n")}`);
  console.log("types: no any in the published declarations");

  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const user = installTarball(pack());
  const hello = readHello(readFileSync(join(root, "README.md"), "utf8"));
  writeFileSync(join(user, "hello.mjs"), hello.code);

  const newest = installNewestNode();
  for (const node of newest === undefined ? [process.execPath] : [process.execPath, newest]) {
    const name = run(node, ["--version"], user).trim();
    checkHello(node, name, user, hello);
    checkCommandLine(node, name, user, version);
  }
  checkAgents(user);
}

/** Agents need no provider's package until a model of that provider is named, and then only that one. */
function checkAgents(user: string): void {
  writeFileSync(join(user, "agents.mjs"), AGENTS);
  const { OPENAI_API_KEY: _, ...env } = process.env;
  const told = (): { output: string; code: string; message: string } =>
    JSON.parse(run(process.execPath, ["agents.mjs"], user, env)) as { output: string; code: string; message: string };
  const without = told();
  if (
    without.output !== "hello" ||
    without.code !== "DEPENDENCY_MISSING" ||
    !without.message.includes("npm i @ai-sdk/openai")
  )
    throw new Error(`agents without packages of the AI SDK: ${JSON.stringify(without)}`);
  run("npm", ["install", "--no-audit", "--no-fund", "@ai-sdk/openai"], user);
  const installed = told();
  if (installed.code !== "MODEL_KEY_MISSING")
    throw new Error(`agents with @ai-sdk/openai: ${JSON.stringify(installed)}`);
  console.log(`agents: ${without.code} without @ai-sdk/openai, ${installed.code} with it, no change of code`);
}

function pack(): string {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", temp], root)) as {
    filename: string;
    size: number;
    entryCount: number;
  }[];
  if (packed === undefined) throw new Error("npm pack made no tarball");
  console.log(`tarball: ${packed.filename}, ${Math.round(packed.size / 1024)} KiB, ${packed.entryCount} files`);
  return join(temp, packed.filename);
}

function installTarball(tarball: string): string {
  const user = emptyProject("user");
  run("npm", ["install", "--no-audit", "--no-fund", tarball], user);
  console.log("install: ok, in an empty folder");
  return user;
}

/** The path of the newest Node that npm can install here, or nothing (and says so) when it supplies none. */
function installNewestNode(): string | undefined {
  const folder = emptyProject("node");
  const name = `node-${process.platform}-${process.arch}`;
  for (const major of NODE_MAJORS) {
    try {
      run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", `${name}@${major}`], folder);
      console.log(`newest Node from npm: ${name}@${major}`);
      return join(folder, "node_modules", name, "bin", "node");
    } catch (error) {
      console.log(`${name}@${major} does not install: ${firstLine(error)}`);
    }
  }
  console.log(`npm supplies no ${name}: the package was tried on ${process.version} only`);
  return undefined;
}

function checkHello(node: string, name: string, user: string, hello: Hello): void {
  const printed = run(node, ["hello.mjs"], user);
  if (printed.trim() === "") throw new Error(`hello.mjs printed nothing on Node ${name}`);
  if (hello.prints !== undefined && printed.trim() !== hello.prints.trim()) {
    throw new Error(`hello.mjs on Node ${name} printed\n${printed}\nbut the README says\n${hello.prints}`);
  }
  const judged = hello.prints === undefined ? "the README shows no output to compare with" : "as the README says";
  console.log(`hello.mjs on Node ${name}: ok, ${judged}:\n${printed.trimEnd()}`);
}

function checkCommandLine(node: string, name: string, user: string, version: string): void {
  // The folder of this node comes first, because npx and the `#!/usr/bin/env node` of the command ask PATH for it.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env["PATH"] ?? ""}` };
  const printed = run("npx", ["--no-install", "flujo", "--version"], user, env).trim();
  if (!printed.includes(version)) throw new Error(`npx flujo --version printed "${printed}", not ${version}`);
  console.log(`npx flujo --version on Node ${name}: ${printed}`);
}

function emptyProject(name: string): string {
  const folder = join(temp, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: `try-${name}`, private: true }));
  return folder;
}

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): string {
  return execFileSync(command, args, { cwd, env, encoding: "utf8", timeout: COMMAND_TIMEOUT_MS });
}

function firstLine(error: unknown): string {
  const text = String((error as { stderr?: unknown }).stderr ?? error);
  return text.split("\n").find((line) => line.includes("error")) ?? text.split("\n")[0] ?? "";
}
