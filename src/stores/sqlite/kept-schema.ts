/**
 * Tables of version 2: what is kept beside the runs. Why they look like this:
 *
 * items           one row per collection and key, both sortable text: the index behind UNIQUE is the order of lists. A rowid table,
 *                 because values are large. What has expired stays until a later put or a prune finds it by `items_expiring`.
 * quota_accounts  what an account has spent and what is held of it: sums of its holds, so that a hold reads one row.
 * quota_holds     each hold by its caller's id, for as long as its account is known: that makes holding and settling happen once.
 * evaluations     for people who ask in SQL; `metadata` is JSON text.
 */
/** Columns of what was spent, or is held, each behind a prefix. */
export const AMOUNTS = ["cost_micro_usd", "input_tokens", "output_tokens", "requests", "tool_calls"] as const;

const columns = (prefix: string): string => AMOUNTS.map((name) => `  ${prefix}${name} INTEGER NOT NULL,`).join("\n");

export const VERSION_2: string = `
CREATE TABLE items (
  collection TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  updated_at REAL NOT NULL,
  expires_at REAL,
  value TEXT NOT NULL,
  UNIQUE (collection, key)
) STRICT;
CREATE INDEX items_expiring ON items (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE quota_accounts (
  account TEXT NOT NULL PRIMARY KEY,
${columns("spent_")}
${columns("held_")}
  updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE quota_holds (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
${columns("held_")}
  settled INTEGER NOT NULL,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE VIEW evaluations AS
SELECT json_extract(value, '$.runId') AS run_id, json_extract(value, '$.step') AS step_name,
  json_extract(value, '$.score') AS score, json_extract(value, '$.feedback') AS feedback,
  json_extract(value, '$.metadata') AS metadata, json_extract(value, '$.createdAt') AS created_at
FROM items
WHERE collection = 'evaluations'
  AND (expires_at IS NULL OR expires_at > (julianday('now') - 2440587.5) * 86400000);
`;
