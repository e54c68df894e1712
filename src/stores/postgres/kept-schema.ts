/**
 * Tables of version 2: what is kept beside the runs.
 *
 * items           one row per collection and key, both sortable text (see sortable-text.ts): the primary key is the order of lists.
 *                 A row that has expired is as if it were not there, until a later put or a prune removes it: `items_expired`
 *                 finds those.
 * quota_accounts  what an account has spent and what is held of it: sums of its holds, so that a hold reads one row. Its row is the
 *                 lock of all its holds. No index but the key: each change of the sums is a HOT update.
 * quota_holds     each hold by its caller's id, for as long as its account is known: that is what makes holding and settling
 *                 happen once.
 * evaluations     a view, for people who ask in SQL. One value that SQL cannot say (NUL, half a surrogate pair) would fail the whole
 *                 view, so such characters show as U+FFFD there.
 */
import { AMOUNTS } from "./amounts.ts";

const counters = (prefix: string): string => AMOUNTS.map((name) => `  ${prefix}${name} int8 NOT NULL,`).join("\n");

export const VERSION_2: string = `
CREATE TABLE flujo.items (
  collection text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  value text NOT NULL,
  version int8 NOT NULL,
  updated_at float8 NOT NULL,
  expires_at float8,
  PRIMARY KEY (collection, key)
);
CREATE INDEX items_expired ON flujo.items (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE flujo.quota_accounts (
  account text COLLATE "C" PRIMARY KEY,
${counters("spent_")}
${counters("held_")}
  updated_at float8 NOT NULL
);

CREATE TABLE flujo.quota_holds (
  account text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
${counters("")}
  settled boolean NOT NULL,
  PRIMARY KEY (account, id)
);

CREATE VIEW flujo.evaluations AS
SELECT told ->> 'runId' AS run_id, told ->> 'step' AS step_name,
  CASE WHEN jsonb_typeof(told -> 'score') = 'number' THEN (told ->> 'score')::float8 END AS score,
  told ->> 'feedback' AS feedback, told -> 'metadata' AS metadata,
  CASE WHEN jsonb_typeof(told -> 'createdAt') = 'number' THEN (told ->> 'createdAt')::float8 END AS created_at
FROM (
  SELECT regexp_replace(value, '\\\\u(0000|d[89a-f][0-9a-f]{2})', '\\\\ufffd', 'g')::jsonb AS told
  FROM flujo.items
  WHERE collection = 'evaluations'
    AND (expires_at IS NULL OR expires_at > floor(extract(epoch FROM clock_timestamp()) * 1000)::float8)
) AS kept;
`;

/** A busy account changes with every call of a model: room for that on its own page. */
export const STORAGE_2 = `
ALTER TABLE flujo.quota_accounts SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100,
  autovacuum_vacuum_cost_delay = 0);`;
