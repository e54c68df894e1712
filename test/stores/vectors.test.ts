import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { afterAll, describe, expect, it, test } from "vitest";
import { memoryVectors } from "../../src/index.ts";
import { postgresVectors } from "../../src/postgres.ts";
import { sqliteStore, sqliteVectors } from "../../src/sqlite.ts";
import { vectorConformance } from "../../src/testing.ts";
import { freshSchema, sharedServer, titled, urlOf } from "../setup/servers.ts";
import { askPostgres } from "../setup/own-postgres.ts";

const api = { describe, expect, test };
const folder = mkdtempSync(join(tmpdir(), "flujo-vectors-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newest = (): string => join(folder, `${files}.db`);
const nextFile = (): string => join(folder, `${++files}.db`);

vectorConformance({ name: "memory", open: async () => memoryVectors() }, api);

vectorConformance(
  {
    name: "sqlite",
    open: () => sqliteVectors({ path: nextFile() }),
    reopen: () => sqliteVectors({ path: newest() }),
  },
  api,
);

describe("vectors in a SQLite file", () => {
  it.each(["before", "after"])("may share it with a store that was opened %s them", async (order) => {
    const path = nextFile();
    const open = [() => sqliteStore({ path }), () => sqliteVectors({ path })];
    for (const one of order === "before" ? open : open.toReversed()) await (await one()).close();
    await using vectors = await sqliteVectors({ path });
    await using store = await sqliteStore({ path });
    await vectors.add([{ id: "a", vector: [1] }]);
    expect(await store.list({})).toMatchObject({ items: [] });
    expect(await vectors.query([1])).toHaveLength(1);
  });

  it("leave a file of another program alone", async () => {
    const path = nextFile();
    const theirs = new Database(path);
    theirs.exec("CREATE TABLE theirs (a TEXT)");
    theirs.close();
    await expect(sqliteVectors({ path })).rejects.toMatchObject({ code: "STORE_FOREIGN" });
  });

  it("may be in an open database of somebody else, which stays open", async () => {
    const driver = new Database(":memory:");
    const vectors = await sqliteVectors({ driver, table: "notes" });
    await vectors.add([{ id: "a", vector: [1, 2] }]);
    await vectors.close();
    expect(driver.prepare("SELECT id, length(vector) AS bytes FROM notes").get()).toMatchObject({ id: "a", bytes: 8 });
    driver.close();
  });

  const WRONG = [{}, { path: "a", driver: new Database(":memory:") }, { path: "a", table: "a b" }];
  it.each(WRONG)("are not opened with the wrong options, case %#", async (options) => {
    await expect(sqliteVectors(options)).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });
});

const postgres = await sharedServer("postgres");
const EXTENSION = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'";
const hasExtension = postgres.run && (await askPostgres(postgres.url, EXTENSION)).length > 0;
describe.skipIf(!postgres.run)(titled("Postgres", postgres), () => {
  const schema = postgres.run ? freshSchema(postgres) : undefined;
  afterAll(() => schema?.[Symbol.asyncDispose]());
  const place = { url: postgres.run ? urlOf(postgres) : "", schema: schema?.schema ?? "", pgvector: false };
  let table = "";
  vectorConformance(
    {
      name: "postgres without pgvector",
      open: (dimensions) => {
        table = `t${randomBytes(6).toString("hex")}`;
        return postgresVectors({ ...place, table, dimensions });
      },
      reopen: (dimensions) => postgresVectors({ ...place, table, dimensions }),
    },
    api,
  );

  const missing = hasExtension ? "" : " [skipped: the server has no pgvector]";
  describe.skipIf(!hasExtension)(`with its extension${missing}`, () => {
    vectorConformance(
      {
        name: "postgres with pgvector",
        open: (dimensions) => {
          table = `t${randomBytes(6).toString("hex")}`;
          return postgresVectors({ ...place, pgvector: true, table, dimensions });
        },
        reopen: (dimensions) => postgresVectors({ ...place, pgvector: true, table, dimensions }),
      },
      api,
    );

    it("keeps a table what it was made as", async () => {
      await (await postgresVectors({ ...place, pgvector: true, table: "kept", dimensions: 3 })).close();
      const other = postgresVectors({ ...place, pgvector: false, table: "kept", dimensions: 3 });
      await expect(other).rejects.toMatchObject({ code: "OPTION_INVALID" });
    });

    it("keeps vectors that are too long for its index", async () => {
      const vector = Array.from({ length: 3_000 }, (_, i) => i);
      await using vectors = await postgresVectors({ ...place, pgvector: true, table: "long", dimensions: 3_000 });
      await vectors.add([{ id: "a", vector }]);
      expect((await vectors.query(vector))[0]?.score).toBeCloseTo(1);
    });
  });

  it("refuses a table with vectors of another length", async () => {
    await using vectors = await postgresVectors({ ...place, table: "three", dimensions: 3 });
    await expect(vectors.query([1, 2])).rejects.toMatchObject({ code: "VECTOR_INVALID" });
    const other = postgresVectors({ ...place, table: "three", dimensions: 4 });
    await expect(other).rejects.toMatchObject({ code: "VECTOR_INVALID" });
  });

  it("makes one table when several open it at once", async () => {
    const opened = await Promise.all(
      Array.from({ length: 4 }, () => postgresVectors({ ...place, table: "raced", dimensions: 1 })),
    );
    await Promise.all(opened.map((one, i) => one.add([{ id: `n${i}`, vector: [1] }])));
    expect(await opened[0]?.query([1])).toHaveLength(4);
    for (const one of opened) await one.close();
  });

  const WRONG = [
    {},
    { url: place.url, dimensions: 0 },
    { url: place.url, schema: "A" },
    { url: place.url, table: "a-b" },
  ];
  it.each(WRONG)("is not opened with the wrong options, case %#", async (options) => {
    await expect(postgresVectors(options)).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });
});
