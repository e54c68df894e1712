import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveModel } from "../../src/agents/models/resolve.ts";
import { Terminal } from "./terminal.ts";

describe("flujo mock-llm", () => {
  it("prints its address and ends when it is interrupted", async () => {
    using terminal = new Terminal();
    terminal.interruptAt("answering until", "SIGINT");
    const { code, json } = await terminal.flujo(["mock-llm", "--json"]);
    expect(code).toBe(0);
    const { url, model, models } = json();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
    expect(model).toBe(`openai-compatible:${String(url)}#mock`);
    expect(models).toEqual(["mock"]);
  });

  it("answers as its script says while it runs", async () => {
    using terminal = new Terminal();
    writeFileSync(join(terminal.folder, "demo.yaml"), "models: [demo]\nsteps:\n  - text: From the script.\n");
    const answered = new Promise<string>((resolve, reject) => {
      terminal.whenSaid("answering until", (out) => {
        const choice = /as a model: (\S+)/.exec(out)?.[1] ?? "";
        resolveModel(choice, { env: {} })
          .then((model) =>
            model.generate(
              { messages: [{ role: "user", text: "hi" }], settings: {} },
              { signal: new AbortController().signal, idempotencyKey: "k" },
            ),
          )
          .then(({ text, model }) => resolve(`${model}: ${text}`), reject)
          .finally(() => terminal.interrupt("SIGINT"));
      });
    });
    const { code } = await terminal.flujo(["mock-llm", "--script", "demo.yaml"]);
    expect(await answered).toBe("demo: From the script.");
    expect(code).toBe(0);
  });

  it.each([
    [["--port", "many"], /--port: expected a number up to 65535/],
    [["--port", "70000"], /--port/],
    [["--script", "none.yaml"], /--script: .*none\.yaml cannot be read/],
  ])("refuses %j", async (words, says) => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(["mock-llm", ...words]);
    expect(code).toBe(2);
    expect(err).toMatch(says);
  });
});
