import type { Program } from "./program.ts";

/** Deletes these runs, if they have ended, with all that belongs to them. Blobs are locked before it is asked who needs them. */
export const PRUNE: Program = {
  name: "prune_1",
  params: { runs: "text[]", p_pair: "text[]", p_created_at: "float8[]", p_run: "text[]" },
  variables: { gone: "text[]", orphans: "text[]", locked: "int" },
  returns: "deleted int",
  steps: [
    {
      into: "gone",
      sql: `
  SELECT coalesce(array_agg(id), '{}') FROM (
    SELECT id FROM flujo.runs WHERE id = ANY(:runs) AND ended_at IS NOT NULL ORDER BY id FOR UPDATE) AS gone`,
    },
    { when: "gone", sql: "DELETE FROM flujo.events WHERE run = ANY(:gone)" },
    { when: "gone", sql: "DELETE FROM flujo.messages WHERE run = ANY(:gone)" },
    { when: "gone", sql: "DELETE FROM flujo.message_ids WHERE run = ANY(:gone)" },
    {
      when: "gone",
      sql: `
  DELETE FROM flujo.run_metadata AS p USING unnest(:p_pair, :p_created_at, :p_run) AS g (pair, created_at, run)
  WHERE g.run = ANY(:gone) AND p.pair = md5(g.pair)::uuid AND p.created_at = g.created_at AND p.run = g.run`,
    },
    {
      into: "orphans",
      when: "gone",
      sql: `
  WITH freed AS (DELETE FROM flujo.blob_refs WHERE run = ANY(:gone) RETURNING hash)
  SELECT coalesce(array_agg(DISTINCT hash), '{}') FROM freed`,
    },
    {
      into: "locked",
      when: "orphans",
      sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.blobs WHERE hash = ANY(:orphans) ORDER BY hash FOR UPDATE) AS locked`,
    },
    {
      when: "orphans",
      sql: `
  DELETE FROM flujo.blobs AS b
  WHERE b.hash = ANY(:orphans) AND NOT EXISTS (SELECT 1 FROM flujo.blob_refs AS r WHERE r.hash = b.hash)`,
    },
    { when: "gone", sql: "DELETE FROM flujo.runs WHERE id = ANY(:gone)" },
    { sql: "SELECT cardinality(:gone)" },
  ],
};
