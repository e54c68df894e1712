import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FLOWS, Terminal } from "./terminal.ts";

const paused = async (terminal: Terminal, id = "p"): Promise<void> => {
  await terminal.flujo(["run", FLOWS, "--flow", "approve", "--id", id]);
};

describe("flujo list", () => {
  it("creates no database by looking", async () => {
    using terminal = new Terminal();
    const first = await terminal.flujo(["list", "--json"]);
    expect(first).toMatchObject({ code: 0, out: '{"items":[]}\n' });
    expect(first.err).toContain("there is no database");
    expect((await terminal.flujo(["list"])).err).toContain("there is no database");
  });

  it("lists runs newest first, filtered, page by page", async () => {
    using terminal = new Terminal();
    for (const id of ["a", "b", "c"]) await paused(terminal, id);
    await terminal.flujo(["run", FLOWS, "--flow", "broken", "--id", "d"]);
    expect((await terminal.flujo(["list"])).out).toMatch(/^run +flow +status.*\nd +broken@1 +failed.*\nc +approve@1/);
    const page = (await terminal.flujo(["list", "--status", "paused,waiting", "--limit", "2", "--json"])).json();
    expect(page).toMatchObject({ items: [{ id: "c" }, { id: "b" }], next: expect.any(String) as string });
    const rest = await terminal.flujo(["list", "-s", "paused", "--cursor", String(page["next"]), "--json"]);
    expect(rest.json()).toEqual({ items: [expect.objectContaining({ id: "a" })] });
    expect((await terminal.flujo(["list", "--flow", "broken@1", "--json"])).json()).toMatchObject({
      items: [{ id: "d" }],
    });
    expect((await terminal.flujo(["list", "-m", "n=1"])).out).toBe("no runs\n");
  });

  it.each([
    ["a status", ["--status", "done"], 4, /FILTER_UNKNOWN.*expected pending/],
    ["a limit", ["--limit", "many"], 2, /OPTION_INVALID/],
    ["a cursor", ["--cursor", "x"], 4, /CURSOR_INVALID/],
    ["metadata", ["--metadata", "x"], 2, /key=value/],
  ])("refuses %s that is none", async (_, words, expected, says) => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(["list", ...words]);
    expect(err).toMatch(says);
    expect(code).toBe(expected);
  });
});

describe("a run by a part of its id", () => {
  it("is found by the beginning or the end when only one fits", async () => {
    using terminal = new Terminal();
    await paused(terminal, "long-one-1");
    await paused(terminal, "long-one-2");
    expect((await terminal.flujo(["get", "one-2", "--json"])).json()).toMatchObject({ id: "long-one-2" });
    const { code, err } = await terminal.flujo(["get", "long"]);
    expect(code).toBe(1);
    expect(err).toMatch(/"long" fits 2 runs:\n {2}long-one-2\n {2}long-one-1\n/);
  });

  it.each([["get"], ["history"], ["why"], ["cancel"]])("flujo %s exits 1 when no run fits", async (command) => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo([command, "nobody"]);
    expect(code).toBe(1);
    expect(err).toContain("RUN_UNKNOWN");
  });
});

describe("looking at a run", () => {
  it("shows what it waits for", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    const { out } = await terminal.flujo(["get", "p"]);
    expect(out).toContain("root/review asks: Publish a draft?");
    expect((await terminal.flujo(["why", "p"])).out).toBe(
      "run p is paused\n- Fiber 0 waits at root/review for an answer to pause p:0:0.\n",
    );
  });

  it("shows its history, also from an event on", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    const { json } = await terminal.flujo(["history", "p", "--json"]);
    const { events } = json() as { events: { type: string; seq: number }[] };
    expect(events.map(({ type }) => type)).toEqual(["run.started", "step.completed", "wait.opened"]);
    const { out } = await terminal.flujo(["history", "p", "--after", String(events[0]?.seq)]);
    expect(out).toMatch(/step\.completed +root\/draft/);
    expect(out).not.toContain("run.started");
  });

  it("says when the flow of a file has changed", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    const file = join(terminal.folder, "changed.mjs");
    writeFileSync(file, changedApprove);
    const { out } = await terminal.flujo(["why", "p", file]);
    expect(out).toContain("The flow has changed");
  });

  it("draws a flow", async () => {
    using terminal = new Terminal();
    expect((await terminal.flujo(["graph", FLOWS, "--flow", "greet"])).out).toMatch(/^flowchart TD\n/);
    const { json } = await terminal.flujo(["graph", FLOWS, "--flow", "greet", "--format", "json"]);
    expect(json()).toMatchObject({ name: "greet", root: { kind: "sequence" } });
    expect((await terminal.flujo(["graph", FLOWS, "--flow", "greet", "--format", "svg"])).code).toBe(2);
  });
});

/** By shape, because a file outside this repository cannot import "flujo". */
const changedApprove = `export const approve = {
  name: "approve", version: "1", fingerprint: "f".repeat(64), nodes: new Map(), calls: [],
  root: { kind: "sequence", id: "root", path: "root", label: "flow", children: [] },
};`;

describe("acting on a run", () => {
  it("answers and signals it, checked where the flow is known", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    expect(await terminal.flujo(["answer", "p", '{"ok":7}', "--file", FLOWS])).toMatchObject({ code: 4, out: "" });
    expect(await terminal.flujo(["answer", "p", '{"ok":}', "--file", FLOWS])).toMatchObject({ code: 4 });
    expect((await terminal.flujo(["answer", "p", '{"ok":true}', "--token", "p:0:9"])).err).toContain("PAUSE_UNKNOWN");
    expect((await terminal.flujo(["answer", "p", "-"], { stdin: '{"ok":true}' })).out).toContain("answered run p");
    expect((await terminal.flujo(["answer", "p"])).code).toBe(2);
    expect(await terminal.flujo(["run", FLOWS, "--flow", "approve", "--id", "p"])).toMatchObject({
      out: "published\n",
    });
    expect((await terminal.flujo(["answer", "p", "true"])).err).toContain("RUN_ENDED");
  });

  it("lets a person answer at the terminal", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    const { code, err } = await terminal.flujo(["answer", "p", "--file", FLOWS], { tty: true, types: ["yes"] });
    expect(code).toBe(0);
    expect(err).toContain("Publish a draft?");
    expect(await terminal.flujo(["run", FLOWS, "--flow", "approve", "--id", "p"])).toMatchObject({
      out: "published\n",
    });
  });

  it("signals it once for each id", async () => {
    using terminal = new Terminal();
    await terminal.flujo(["run", FLOWS, "--flow", "hold", "--id", "h"]);
    expect((await terminal.flujo(["signal", "h", "go", '{"n":"x"}', "--file", FLOWS])).code).toBe(4);
    expect((await terminal.flujo(["signal", "h", "stop", "--file", FLOWS])).err).toContain("SIGNAL_UNDECLARED");
    const send = ["signal", "h", "go", '{"n":21}', "--id", "once", "--json"];
    expect((await terminal.flujo(send)).json()).toMatchObject({ outcome: "delivered" });
    expect((await terminal.flujo(send)).json()).toMatchObject({ outcome: "duplicate" });
    expect(await terminal.flujo(["run", FLOWS, "--flow", "hold", "--id", "h"])).toMatchObject({ out: "42\n" });
  });

  it("cancels it", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    expect((await terminal.flujo(["cancel", "p", "--reason", "no need"])).out).toContain("requested");
    const { code, err } = await terminal.flujo(["run", FLOWS, "--flow", "approve", "--id", "p"]);
    expect(code).toBe(1);
    expect(err).toContain("cancelled run p");
    expect((await terminal.flujo(["cancel", "p"])).out).toContain("has ended already");
  });

  it("retries and forks it", async () => {
    using terminal = new Terminal();
    await terminal.flujo(["run", FLOWS, "--flow", "broken", "--id", "b"]);
    const again = await terminal.flujo(["retry", "b", "--file", FLOWS]);
    expect(again.code).toBe(1);
    expect(again.err).toMatch(/root\/boom +2 /);
    await terminal.flujo(["run", FLOWS, "--flow", "greet", "--id", "g", "-i", '{"name":"Ann"}']);
    expect((await terminal.flujo(["retry", "g", "--file", FLOWS])).err).toContain("RUN_NOT_FAILED");
    const fork = ["fork", "g", "--file", FLOWS, "--id", "f"];
    expect(await terminal.flujo([...fork, "-i", '{"name":"Bo"}'])).toMatchObject({ code: 0, out: "Hello Bo\n" });
    expect((await terminal.flujo(["fork", "g", "--file", FLOWS, "--at", "x"])).code).toBe(2);
    expect((await terminal.flujo(["fork", "g", "--file", FLOWS, "--at", "999999"])).err).toContain("EVENT_UNKNOWN");
  });
});

describe("flujo worker", () => {
  it("works on what is ready until it is told to stop", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    await terminal.flujo(["answer", "p", '{"ok":true}']);
    terminal.interruptAt('"status":"completed"', "SIGTERM");
    const { code, err } = await terminal.flujo(["worker", FLOWS, "--concurrency", "4", "--queue", "default,other"]);
    expect(code).toBe(0);
    expect(err).toContain("working on greet@1, approve@1");
    expect((await terminal.flujo(["get", "p", "--json"])).json()).toMatchObject({ output: "published" });
  });

  it("exits 130 when a person stops it", async () => {
    using terminal = new Terminal();
    terminal.interruptAt("stop with Ctrl-C", "SIGINT");
    expect((await terminal.flujo(["worker", FLOWS])).code).toBe(130);
  });

  it("takes its settings from flujo.toml", async () => {
    using terminal = new Terminal();
    writeFileSync(join(terminal.folder, "flujo.toml"), "[worker]\nheartbeat = '9s'\n");
    const { code, err } = await terminal.flujo(["worker", FLOWS]);
    expect(code).toBe(2);
    expect(err).toContain("heartbeat: expected at most half of the lease");
    expect((await terminal.flujo(["worker", FLOWS, "-n", "0"])).code).toBe(2);
  });
});

describe("flujo prune", () => {
  it("deletes ended runs, but asks first", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    await terminal.flujo(["run", FLOWS, "--flow", "broken", "--id", "b"]);
    const prune = ["prune", "--older-than", "0ms"];
    const unasked = await terminal.flujo(prune);
    expect(unasked.code).toBe(2);
    expect(unasked.err).toContain("1 run would be deleted");
    expect((await terminal.flujo([...prune, "--json"], { tty: true, types: ["n"] })).json()).toMatchObject({
      deleted: 0,
    });
    expect((await terminal.flujo([...prune, "-s", "completed", "--yes"])).out).toBe("0 runs deleted\n");
    expect((await terminal.flujo([...prune, "--yes"])).out).toBe("1 run deleted\n");
    expect((await terminal.flujo(["list", "--json"])).json()).toMatchObject({ items: [{ id: "p" }] });
    expect((await terminal.flujo(["prune", "--older-than", "soon"])).code).toBe(2);
  });
});

describe("flujo doctor", () => {
  it("says what runs where, and that all is well", async () => {
    using terminal = new Terminal();
    await paused(terminal);
    const { code, json } = await terminal.flujo(["doctor", "--json"]);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      healthy: true,
      violations: [],
      source: "default",
      versions: { libsql: expect.stringMatching(/\d/) as string },
    });
  });

  it("exits 2 for a file that is no database", async () => {
    const text = "this is text, and long enough to be read as the header of a database file: ".repeat(20);
    using terminal = new Terminal();
    writeFileSync(join(terminal.folder, "x.db"), text);
    for (const command of ["doctor", "list"]) {
      const { code, err } = await terminal.flujo([command, "--store", "sqlite:./x.db"]);
      expect(err).toContain("STORE_CORRUPT");
      expect(code).toBe(2);
    }
  });

  it("exits 2 for a database of another program", async () => {
    using terminal = new Terminal();
    const { default: Database } = await import("libsql");
    const other = new Database(join(terminal.folder, "x.db"));
    other.exec("CREATE TABLE theirs (id)");
    other.close();
    const { code, err } = await terminal.flujo(["list", "--store", "sqlite:./x.db"]);
    expect(err).toContain("STORE_FOREIGN");
    expect(code).toBe(2);
  });
});

describe("configuration", () => {
  it("warns of unknown keys and goes on", async () => {
    using terminal = new Terminal();
    writeFileSync(join(terminal.folder, "flujo.toml"), 'state_url = "sqlite:./a.db"\n');
    const { code, err } = await terminal.flujo(["list"]);
    expect(code).toBe(0);
    expect(err).toMatch(/warning: .*flujo\.toml:1: unknown key "state_url"; did you mean "state_uri"\?/);
  });

  it("exits 2 when it is wrong", async () => {
    using terminal = new Terminal();
    writeFileSync(join(terminal.folder, "flujo.toml"), "state_uri = 5\n");
    const { code, err } = await terminal.flujo(["list"]);
    expect(code).toBe(2);
    expect(err).toContain("CONFIG_INVALID");
  });
});

describe("flujo by itself", () => {
  it.each([
    ["--version", 0, /^\d+\.\d+\.\d+/],
    ["--help", 0, /Usage: flujo.*worker.*Exit codes/s],
  ])("answers %s", async (word, code, says) => {
    using terminal = new Terminal();
    const said = await terminal.flujo([word]);
    expect(said.code).toBe(code);
    expect(said.out).toMatch(says);
  });

  it("exits 2 for a command that does not exist, and says which was meant", async () => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(["wroker"]);
    expect(code).toBe(2);
    expect(err).toContain("worker");
  });
});
