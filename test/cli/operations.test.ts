import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { FLOWS, Terminal } from "./terminal.ts";

const database = (terminal: Terminal): string => `sqlite:${join(terminal.folder, "flujo.db")}`;

/** The words with the store of this terminal. */
const on = (terminal: Terminal, ...words: string[]): string[] => [...words, "--store", database(terminal)];

describe("flujo queues", () => {
  it("sets the rules of a queue, shows them, and takes them away", async () => {
    using terminal = new Terminal();
    expect((await terminal.flujo(on(terminal, "queues"))).out).toBe("no queue has rules\n");
    const set = on(terminal, "queues", "set", "gpu", "--concurrency", "4", "--rate", "10/1m", "--per-key", "1");
    expect(await terminal.flujo(set)).toMatchObject({ code: 0 });
    expect(
      (await terminal.flujo(on(terminal, "queues", "set", "mail", "--key-rate", "5/30s", "--json"))).json(),
    ).toEqual({
      name: "mail",
      perKey: { rate: { limit: 5, per: 30_000 } },
    });
    expect((await terminal.flujo(on(terminal, "queues", "list"))).out).toBe(
      [
        "queue  at once  rate              per key  key rate",
        "gpu    4        10 per 1 min 0 s  1",
        "mail                                       5 per 30.0 s",
        "",
      ].join("\n"),
    );
    expect((await terminal.flujo(on(terminal, "queues", "free", "gpu"))).out).toBe("queue gpu has no rules any more\n");
    expect((await terminal.flujo(on(terminal, "queues", "--json"))).json()).toMatchObject({
      items: [{ name: "mail" }],
    });
  });

  it.each([
    [["gpu"], /expected --concurrency, --rate, --per-key or --key-rate/],
    [["gpu", "--rate", "many"], /--rate: expected a rate such as 10\/1m but found "many"/],
    [["gpu", "--rate", "0/1m"], /--rate: expected a rate/],
    [["gpu", "--concurrency", "0"], /--concurrency: expected a whole number of at least 1 but found "0"/],
    [["a b", "--concurrency", "1"], /queue a b: expected a name/],
  ])("refuses to set %j", async (words, says) => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(on(terminal, "queues", "set", ...words));
    expect(err).toMatch(says);
    expect(code).toBe(2);
  });

  it("are set by flujo.toml when somebody works", async () => {
    using terminal = new Terminal();
    writeFileSync(join(terminal.folder, "flujo.toml"), "[queues.default]\nconcurrency = 2\nkey_rate = '100/1s'\n");
    const run = await terminal.flujo(
      on(terminal, "run", FLOWS, "--flow", "greet", "-i", '{"name":"Ann"}', "--key", "ann"),
    );
    expect(run).toMatchObject({ code: 0, out: "Hello Ann\n" });
    expect((await terminal.flujo(on(terminal, "queues", "--json"))).json()).toEqual({
      items: [{ name: "default", concurrency: 2, perKey: { rate: { limit: 100, per: 1_000 } } }],
    });
  });
});

describe("flujo schedules", () => {
  const add = (terminal: Terminal, ...words: string[]): string[] =>
    on(terminal, "schedules", "add", "nightly", FLOWS, "--flow", "greet", "-i", '{"name":"Ann"}', ...words);

  it("adds, shows, pauses, resumes and removes a schedule", async () => {
    using terminal = new Terminal();
    expect((await terminal.flujo(on(terminal, "schedules"))).out).toBe("no schedules\n");
    const words = ["--cron", "0 3 * * *", "--timezone", "Europe/Berlin", "--catch-up", "3", "--overlap", "skip"];
    const added = await terminal.flujo(add(terminal, ...words, "-k", "ann", "-p", "5", "-m", "team=a", "--json"));
    expect(added.json()).toMatchObject({
      id: "nightly",
      flow: "greet",
      version: "1",
      cron: "0 3 * * *",
      timezone: "Europe/Berlin",
      input: { name: "Ann" },
      key: "ann",
      priority: 5,
      metadata: { team: "a" },
      catchUp: 3,
      overlap: "skip",
      paused: false,
      nextAt: expect.stringMatching(/T0[12]:00:00\.000Z$/) as string,
    });
    expect((await terminal.flujo(on(terminal, "schedules", "list"))).out).toMatch(
      /^schedule +flow +when +next.*\nnightly +greet@1 +0 3 \* \* \* Europe\/Berlin +20/,
    );
    expect((await terminal.flujo(on(terminal, "schedules", "pause", "nightly"))).out).toContain("paused");
    expect((await terminal.flujo(on(terminal, "schedules", "resume", "nightly", "--json"))).json()).toMatchObject({
      paused: false,
    });
    expect((await terminal.flujo(on(terminal, "schedules", "remove", "nightly"))).out).toBe(
      "schedule nightly removed\n",
    );
    const again = await terminal.flujo(on(terminal, "schedules", "remove", "nightly"));
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining("SCHEDULE_UNKNOWN") as string });
  });

  it.each([
    [["--cron", "soon"], 4, /SCHEDULE_INVALID: cron: expected five or six fields but found "soon"/],
    [["--every", "soon"], 4, /SCHEDULE_INVALID.*every/],
    [[], 4, /either cron or every/],
    [["--every", "1m", "-i", '{"name":5}'], 4, /INPUT_INVALID/],
    [["--every", "1m", "--priority", "x"], 2, /--priority: expected a number/],
    [["--every", "1m", "--start-at", "then"], 2, /--start-at: expected a time/],
    [["--every", "1m", "--catch-up", "some"], 2, /--catch-up: expected a number/],
  ])("refuses to add %j", async (words, expected, says) => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(add(terminal, ...words));
    expect(err).toMatch(says);
    expect(code).toBe(expected);
  });
});

describe("flujo workers", () => {
  it("shows who works on the store, and with what", async () => {
    using terminal = new Terminal();
    expect((await terminal.flujo(on(terminal, "workers"))).out).toBe("no workers\n");
    const { greet } = (await import(FLOWS)) as { greet: never };
    await using flujo = new Flujo({
      store: database(terminal),
      flows: [greet],
      worker: { id: "w-1", queues: ["default", "gpu"] },
    });
    await flujo.open();
    const { out } = await terminal.flujo(on(terminal, "workers"));
    expect(out).toMatch(
      /^worker +state +holds +queues +for +host:pid +flujo +flows\nw-1 +alive +0\/100 +default,gpu .* greet@1\n$/,
    );
    expect((await terminal.flujo(on(terminal, "workers", "--json"))).json()).toMatchObject({
      items: [{ id: "w-1", alive: true, queues: ["default", "gpu"], pid: process.pid, flows: [{ name: "greet" }] }],
    });
  });
});

describe("flujo migrate", () => {
  it("says what it would do, and leaves no trace of that; does it; and has nothing to do then", async () => {
    using terminal = new Terminal();
    const dry = await terminal.flujo(on(terminal, "migrate", "--dry-run", "--json"));
    expect(dry.json()).toMatchObject({ dryRun: true, from: 0, steps: [{ version: 1 }, { version: 2 }] });
    expect((await terminal.flujo(on(terminal, "migrate", "--dry-run"))).out).toMatch(
      /^would migrate from version 0 to \d+:\n {2}1 {2}.*\nCREATE TABLE/,
    );
    expect(existsSync(join(terminal.folder, "flujo.db"))).toBe(false);
    expect((await terminal.flujo(on(terminal, "migrate", "--target-version", "1"))).out).toBe(
      "migrated from version 0 to 1:\n  1  runs, fibers, events, messages and their queue\n",
    );
    await terminal.flujo(on(terminal, "migrate"));
    const { to } = dry.json();
    expect((await terminal.flujo(on(terminal, "migrate"))).out).toBe(
      `the schema is at version ${String(to)}: nothing to do\n`,
    );
  });

  it.each([
    ["0x1", /--target-version: expected a whole number/],
    ["999", /expected a schema version from \d+ to \d+ but found 999/],
  ])("refuses the version %s", async (version, says) => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(on(terminal, "migrate", "--target-version", version));
    expect(err).toMatch(says);
    expect(code).toBe(2);
  });

  it("never prints a password, whatever goes wrong", async () => {
    using terminal = new Terminal();
    const words = ["migrate", "--store", "postgres://ann:s3cr%40t@127.0.0.1:1/db?connectTimeoutMs=500", "--verbose"];
    const { code, out, err } = await terminal.flujo(words, { env: { FLUJO_DEBUG: "1" } });
    expect(code).not.toBe(0);
    expect(out + err).not.toMatch(/s3cr/);
    expect(err).toContain("127.0.0.1:1");
  });
});
