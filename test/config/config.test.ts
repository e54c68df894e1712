import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Config, loadConfig } from "../../src/config/load.ts";
import { resolveStateUri, sqliteFile } from "../../src/config/sqlite-path.ts";
import { editDistance, nearest } from "../../src/domain/suggest.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const load = (env: Readonly<Record<string, string>> = {}, under = "."): Promise<Config> =>
  loadConfig({ cwd: join(folder, under), env });

describe("where runs are kept", () => {
  it("is the default when nobody says otherwise", async () => {
    expect(await load()).toEqual({
      stateUri: "sqlite:./.flujo/state.db",
      worker: {},
      background: {},
      shadowEval: {},
      queues: {},
      strictHooks: false,
      cost: { strict: false, providers: {}, estimators: {} },
      budgets: { pipelines: [] },
      aros: {},
      fingerprint: undefined,
      governance: { mode: "allow_all", piiScrub: "off", piiStrong: false },
      source: "default",
      file: undefined,
      warnings: [],
    });
  });

  it("is what the nearest flujo.toml above says, seen from that file", async () => {
    write("flujo.toml", 'state_uri = "sqlite:./far.db"');
    const file = write("a/flujo.toml", '# comment\nstate_uri = "sqlite:data/near.db?durability=normal"');
    mkdirSync(join(folder, "a/b/c"), { recursive: true });
    expect(await load({}, "a/b/c")).toMatchObject({
      stateUri: `sqlite:${join(folder, "a/data/near.db")}?durability=normal`,
      source: `${file}:2`,
      file,
    });
  });

  it.each(["memory:", "sqlite:/abs/x.db", "sqlite:///abs/x.db", "sqlite::memory:", "postgres://u@h/d"])(
    "stays %s wherever the file is",
    async (uri) => {
      write("flujo.toml", `state_uri = "${uri}"`);
      expect((await load()).stateUri).toBe(uri);
    },
  );

  it("is what FLUJO_STATE_URI says, above all", async () => {
    write("flujo.toml", 'state_uri = "memory:"\n[worker]\nconcurrency = 3');
    const config = await load({ FLUJO_STATE_URI: "sqlite:./mine.db" });
    expect(config).toMatchObject({
      stateUri: "sqlite:./mine.db",
      source: "FLUJO_STATE_URI",
      worker: { concurrency: 3 },
    });
    expect((await load({ FLUJO_STATE_URI: "" })).stateUri).toBe("memory:");
  });

  it("is read from the file that FLUJO_CONFIG names", async () => {
    write("flujo.toml", 'state_uri = "memory:"');
    write("other/my.toml", 'state_uri = "sqlite:x.db"');
    expect((await load({ FLUJO_CONFIG: "other/my.toml" })).stateUri).toBe(`sqlite:${join(folder, "other/x.db")}`);
    await expect(load({ FLUJO_CONFIG: "none.toml" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});

describe("worker settings", () => {
  it("come from the file, and from the environment over it", async () => {
    write(
      "flujo.toml",
      `[worker]
concurrency = 8
batch_size = 4
poll_interval = "2s"
queues = ["default", "gpu"]
drain = 500
max_deliveries = 3`,
    );
    const env = { FLUJO_WORKER_CONCURRENCY: "16", FLUJO_WORKER_LEASE: "5s", FLUJO_WORKER_QUEUES: "a, b" };
    expect((await load(env)).worker).toEqual({
      concurrency: 16,
      batchSize: 4,
      pollInterval: "2s",
      queues: ["a", "b"],
      drain: 500,
      lease: "5s",
      maxDeliveries: 3,
    });
  });
});

describe("mistakes in flujo.toml", () => {
  it.each([
    ["state_url = 'x'", /:1: unknown key "state_url"; did you mean "state_uri"\?$/],
    ["\n[worker]\nconcurency = 3", /:3: unknown key "worker.concurency"; did you mean "worker.concurrency"\?$/],
    ["[wroker]\nlease = 1", /:1: unknown key "wroker"(; did you mean .*)?$/],
    ["[telemetry]\nx = 1", /:1: unknown key "telemetry"$/],
    ["worker.leese = 1", /:1: unknown key "worker.leese"; did you mean "worker.lease"\?$/],
  ])("warns of %j", async (text, says) => {
    write("flujo.toml", text);
    const { warnings } = await load();
    expect(warnings).toEqual([expect.stringMatching(says) as string]);
  });

  it.each([
    ["state_uri = 5", /flujo\.toml:1: state_uri: expected text that is not empty but found 5$/],
    ["[worker]\nconcurrency = 0", /:2: worker\.concurrency: expected a whole number of at least 1 but found 0$/],
    ["[worker]\nconcurrency = 1.5", /found 1\.5$/],
    ["[worker]\nlease = 'soon'", /worker\.lease: expected milliseconds or text such as .* but found "soon"$/],
    ["[worker]\nqueues = 'a'", /worker\.queues: expected a list of names but found "a"$/],
    ["worker = 3", /:1: \[worker\]: expected a table but found 3$/],
    ["a = = 1", /flujo\.toml:1:\d+: expected TOML: /],
  ])("refuses %j", async (text, says) => {
    write("flujo.toml", text);
    await expect(load()).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(says) as string,
    });
  });

  it("lists all wrong values at once", async () => {
    write("flujo.toml", "state_uri = 5\n[worker]\ndrain = true");
    await expect(load()).rejects.toThrow(/state_uri.*\n.*worker\.drain/);
  });

  it("refuses a wrong variable by its name, and warns of an unknown one", async () => {
    await expect(load({ FLUJO_WORKER_CONCURRENCY: "many" })).rejects.toThrow(
      'FLUJO_WORKER_CONCURRENCY: expected a whole number of at least 1 but found "many"',
    );
    expect((await load({ FLUJO_WORKER_LEESE: "1s", FLUJO_DEBUG: "1" })).warnings).toEqual([
      'unknown variable FLUJO_WORKER_LEESE; did you mean "FLUJO_WORKER_LEASE"?',
    ]);
  });
});

describe("the parts", () => {
  it("counts edits", () => {
    expect([editDistance("", "abc"), editDistance("lease", "leese"), editDistance("ab", "ba")]).toEqual([3, 1, 1]);
    expect(nearest("zzz", ["lease", "drain"])).toBeUndefined();
  });

  it("finds the file in a URI", () => {
    expect(sqliteFile("sqlite:./a.db?durability=full")).toBe("./a.db");
    expect([sqliteFile("memory:"), sqliteFile("sqlite::memory:"), sqliteFile("sqlite:")]).toEqual(
      Array(3).fill(undefined),
    );
    expect(resolveStateUri("sqlite:a.db", "/x")).toBe("sqlite:/x/a.db");
  });
});

describe("the rules of queues", () => {
  it("are tables of flujo.toml, in the shape of the options", async () => {
    write(
      "flujo.toml",
      "[queues.gpu]\nconcurrency = 4\nrate = '100/1m'\nper_key = 1\nkey_rate = '10 / 30 s'\n[queues.mail]\n",
    );
    expect((await load()).queues).toEqual({
      gpu: {
        concurrency: 4,
        rate: { limit: 100, per: 60_000 },
        perKey: { concurrency: 1, rate: { limit: 10, per: 30_000 } },
      },
      mail: {},
    });
  });

  it.each([
    ["queues = 5", /flujo\.toml:1: queues: expected a table for each queue/],
    ["[queues]\ngpu = 5", /queues\.gpu: expected a table/],
    ["[queues.gpu]\nconcurrency = 0", /:2: queues\.gpu\.concurrency: expected a whole number of at least 1/],
    ["[worker]\nlease = 1\n[queues.gpu]\n\nrate = 'often'", /:5: queues\.gpu\.rate: expected a rate such as "10\/1m"/],
    ["[queues.gpu]\nkey_rate = '0/1s'", /queues\.gpu\.key_rate/],
    ["[queues.'a b']\nconcurrency = 1", /queues\.a b: expected a name/],
  ])("are refused in %j", async (text, says) => {
    write("flujo.toml", text);
    await expect(load()).rejects.toThrow(says);
  });

  it("warn of what is unknown, with what was probably meant", async () => {
    write("flujo.toml", "[queues.gpu]\nconcurency = 4");
    expect((await load()).warnings).toEqual([
      expect.stringMatching(/flujo\.toml:2: unknown key "concurency".*concurrency/) as string,
    ]);
  });
});
