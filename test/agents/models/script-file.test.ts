import { describe, expect, it } from "vitest";
import { readScript } from "../../../src/agents/models/scripted/script-file.ts";
import type { ModelRequest } from "../../../src/ports/model.ts";

const user = (text: string): ModelRequest => ({ messages: [{ role: "user", text }], settings: {} });

describe("a script in a file", () => {
  it("plays its steps in order", () => {
    const { next, models } = readScript(
      "demo.yaml",
      "models: [demo]\ncyclic: true\nsteps:\n  - Hello\n  - error: { status: 429, retryAfterMs: 1000 }\n",
    );
    expect(models).toEqual(["demo"]);
    expect([next(user("a")), next(user("b")), next(user("c"))]).toEqual([
      "Hello",
      { error: { status: 429, retryAfterMs: 1_000 } },
      "Hello",
    ]);
  });

  it("plays by its rules, in JSON too", () => {
    const rules = [
      { when: "/^weather/i", say: { calls: [{ name: "weather" }] } },
      { when: "a/b", say: ["one", "two"] },
      { say: "other" },
    ];
    const { next } = readScript("demo.json", JSON.stringify({ rules }));
    expect(next(user("Weather?"))).toEqual({ calls: [{ name: "weather" }] });
    expect([next(user("A/B")), next(user("a/b"))]).toEqual(["one", "two"]);
    expect(next(user("the weather"))).toBe("other");
  });

  it.each([
    ["steps: [", /demo: expected YAML or JSON/],
    ["3", /script: expected models/],
    ["models: [a]", /expected either steps or rules/],
    ["steps: []\nrules: []", /expected either steps or rules/],
    ["steps: 3", /steps: expected a list/],
    ["step: []", /unknown key "step"; did you mean "steps"\?/],
    ["steps:\n  - txt: hi", /steps\[0\]: unknown key "txt"; did you mean "text"\?/],
    ["steps:\n  - error: often", /steps\[0\]\.error: found "often"/],
    ["rules:\n  - when: /(/\n    say: x", /rules\[0\]\.when: Invalid regular expression/],
    ["rules:\n  - when: [x]\n    say: x", /rules\[0\]\.when: expected a text/],
    ["rules:\n  - when: x", /rules\[0\]\.say: expected text/],
    ["models: 3\ncyclic: 1\nsteps: []", /models: expected[^]*cyclic: expected/],
  ])("%j is refused", (text, says) => {
    expect(() => readScript("demo", text)).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(says) as string }),
    );
  });
});
