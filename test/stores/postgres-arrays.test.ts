import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { storable } from "../../src/ports/stored-text.ts";
import { arrayBuffer } from "../../src/stores/postgres/array-buffer.ts";
import { sharedServer, titled, urlOf } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");

const orNull = <T>(cell: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> => fc.array(fc.option(cell), { maxLength: 40 });
const texts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.constantFrom("", "NULL", '"', "\\", "{}", "ä".repeat(300), "😀", "\ud800", "a\u0000b"),
);

/** What the server reads, as JSON: it loses nothing of these types. */
const TYPES = [
  { type: "text", cells: orNull(texts.map(storable)) },
  { type: "int", cells: orNull(fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1))) },
  { type: "int8", cells: orNull(fc.maxSafeInteger()) },
  { type: "float8", cells: orNull(fc.double({ noNaN: true, noDefaultInfinity: true })) },
  { type: "boolean", cells: orNull(fc.boolean()) },
];

describe.skipIf(!postgres.run)(titled("an array in the server's binary format", postgres), () => {
  let client: pg.Client;
  beforeAll(async () => {
    client = new pg.Client({ connectionString: urlOf(postgres) });
    await client.connect();
  });
  afterAll(() => client.end());

  for (const { type, cells } of TYPES) {
    it(`is read by the server as it was given: ${type}`, async () => {
      await fc.assert(
        fc.asyncProperty(cells as fc.Arbitrary<(string | number | boolean | null)[]>, async (given) => {
          const { rows } = await client.query<{ read: string }>(`SELECT array_to_json($1::${type}[])::text AS read`, [
            arrayBuffer(type, given),
          ]);
          expect(JSON.parse(rows[0]?.read ?? "")).toEqual(given);
        }),
        { numRuns: 100 },
      );
    });
  }

  it("refuses a number that its type would cut", () => {
    for (const [type, cell] of [
      ["int", 1.5],
      ["int", 2 ** 31],
      ["int8", 0.1],
      ["int8", 2 ** 60],
      ["int8", Number.NaN],
    ] as const)
      expect(() => arrayBuffer(type, [cell])).toThrow(RangeError);
  });
});
