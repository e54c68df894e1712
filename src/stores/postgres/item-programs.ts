import { type ParamTypes, prefixed, rowsOf } from "./insert-steps.ts";
import { NOW, type Program, type Step } from "./program.ts";

/*
 * Each put and each removal is atomic by its own row. Rows that are there are locked first, in the order of their keys, so that who
 * puts several never waits in a circle; then nothing of what was read can change, and what comes into being meanwhile the unique
 * key finds. `ifVersion` decides in the WHERE of the very statement that writes.
 */

const REF_PARAMS: ParamTypes = { collection: "text[]", key: "text[]" };
export const ITEM_PARAMS: ParamTypes = { ...REF_PARAMS, value: "text[]", expires_at: "float8[]" };
export const CHANGED_PARAMS: ParamTypes = { ...ITEM_PARAMS, version: "float8[]" };

const EXPIRED = "i.expires_at <= :now";
const LIVE = "(i.expires_at IS NULL OR i.expires_at > :now)";

const lockItems = (collections: string, keys: string): Step => ({
  into: "locked",
  sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM unnest(${collections}, ${keys}) AS g (collection, key)
      JOIN flujo.items AS i ON i.collection = g.collection AND i.key = g.key
    ORDER BY i.collection, i.key FOR UPDATE OF i) AS locked`,
});

/** Adds what was written to what was written before. */
const writing = (prefix: string, write: string): Step => ({
  into: ["in_collection", "in_key", "in_version"],
  when: `${prefix}_key`,
  sql: `
  WITH made AS (${write} RETURNING i.collection, i.key, i.version)
  SELECT :in_collection || coalesce(array_agg(made.collection), '{}'), :in_key || coalesce(array_agg(made.key), '{}'),
    :in_version || coalesce(array_agg(made.version), '{}')
  FROM made`,
});

const insert = (prefix: string): string => `
    INSERT INTO flujo.items AS i (collection, key, value, version, updated_at, expires_at)
    SELECT g.collection, g.key, g.value, 1, :now, g.expires_at FROM ${rowsOf(prefix, ITEM_PARAMS)} ORDER BY g.collection, g.key
    ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value, updated_at = :now, expires_at = excluded.expires_at,
      version =`;

/** Of what has expired each put removes so many, so that it cannot pile up. It waits for nobody, and comes last: nobody waits long. */
export const SWEPT = 100;

const SWEEP = `
  DELETE FROM flujo.items AS i USING (
    SELECT past.collection, past.key FROM flujo.items AS past WHERE past.expires_at <= :now
    ORDER BY past.expires_at LIMIT ${SWEPT} FOR UPDATE SKIP LOCKED) AS gone
  WHERE i.collection = gone.collection AND i.key = gone.key AND i.expires_at <= :now`;

/** No item twice. By prefix: `a` replaces whatever is there, `n` is written where there is none, `c` where that version is. */
export const PUT_ITEMS: Program = {
  name: "put_items_1",
  params: {
    now: "float8",
    ...prefixed("a", ITEM_PARAMS),
    ...prefixed("n", ITEM_PARAMS),
    ...prefixed("c", CHANGED_PARAMS),
  },
  variables: { locked: "int", in_collection: "text[]", in_key: "text[]", in_version: "int8[]" },
  returns: "collection text, key text, version int8",
  steps: [
    NOW,
    lockItems(":a_collection || :n_collection || :c_collection", ":a_key || :n_key || :c_key"),
    writing("a", `${insert("a")} CASE WHEN ${EXPIRED} THEN 1 ELSE i.version + 1 END`),
    writing("n", `${insert("n")} 1 WHERE ${EXPIRED}`),
    writing(
      "c",
      `
    UPDATE flujo.items AS i SET value = g.value, version = i.version + 1, updated_at = :now, expires_at = g.expires_at
    FROM ${rowsOf("c", CHANGED_PARAMS)}
    WHERE i.collection = g.collection AND i.key = g.key AND i.version = g.version AND ${LIVE}`,
    ),
    { sql: SWEEP },
    { sql: "SELECT * FROM unnest(:in_collection, :in_key, :in_version)" },
  ],
};

export const GET_ITEMS: Program = {
  name: "get_items_1",
  params: { now: "float8", ...prefixed("g", REF_PARAMS) },
  returns: "n int, value text, version int8, updated_at float8, expires_at float8",
  steps: [
    NOW,
    {
      sql: `
  SELECT g.n::int, i.value, i.version, i.updated_at, i.expires_at
  FROM ${rowsOf("g", REF_PARAMS)} JOIN flujo.items AS i ON i.collection = g.collection AND i.key = g.key
  WHERE ${LIVE}`,
    },
  ],
};

export const REMOVE_ITEMS: Program = {
  name: "remove_items_1",
  params: { now: "float8", ...prefixed("g", REF_PARAMS) },
  variables: { locked: "int" },
  returns: "removed int",
  steps: [
    NOW,
    lockItems(":g_collection", ":g_key"),
    {
      sql: `
  WITH gone AS (
    DELETE FROM flujo.items AS i USING unnest(:g_collection, :g_key) AS g (collection, key)
    WHERE i.collection = g.collection AND i.key = g.key RETURNING ${LIVE} AS live)
  SELECT count(*)::int FROM gone WHERE live`,
    },
  ],
};

/** Answers how many were removed; fewer than `SWEPT`: there are no more. */
export const SWEEP_ITEMS: Program = {
  name: "sweep_items_1",
  params: { now: "float8" },
  returns: "removed int",
  steps: [NOW, { sql: `WITH gone AS (${SWEEP} RETURNING 1) SELECT count(*)::int FROM gone` }],
};
