import type { Unit } from "../../domain/quota.ts";
import { AMOUNT_PARAMS, AMOUNTS, forAmounts } from "./amounts.ts";
import { type ParamTypes, prefixed, rowsOf } from "./insert-steps.ts";
import { NOW, type Program, type Step } from "./program.ts";

/*
 * The row of an account is the lock of its holds, and all accounts of a call are locked first, in the order of their names. What
 * follows sees all that was held and settled before, and nobody else holds or settles until it is committed. So the sum of what is
 * spent and held is compared with a limit, and raised, in one step.
 *
 * Holds on one account depend on each other: whether the second fits is known when the first was taken or denied. `DECIDE` walks
 * along each account, one hold at a time, in one statement; accounts of a batch go side by side.
 */

const LIMIT_PARAMS: ParamTypes = {
  most_cost: "float8[]",
  most_input: "float8[]",
  most_output: "float8[]",
  most_tokens: "float8[]",
  most_requests: "float8[]",
  most_tools: "float8[]",
};
export const HOLD_PARAMS: ParamTypes = { account: "text[]", id: "text[]", ...AMOUNT_PARAMS, ...LIMIT_PARAMS };
export const SETTLE_PARAMS: ParamTypes = { account: "text[]", id: "text[]", ...AMOUNT_PARAMS };

/** Into `known`: accounts that exist. They stay as long as this goes on. */
const lockAccounts = (accounts: string): Step => ({
  into: "known",
  sql: `SELECT coalesce(array_agg(account), '{}') FROM (
    SELECT account FROM flujo.quota_accounts WHERE account = ANY(:${accounts}) ORDER BY account FOR NO KEY UPDATE) AS locked`,
});

/** Made, or if somebody was faster locked. Only for a new account does the row need to be written twice. */
const OPEN_ACCOUNTS: Step = {
  when: "strange",
  sql: `
  INSERT INTO flujo.quota_accounts AS a (account, updated_at,
    ${forAmounts((name) => `spent_${name}`)}, ${forAmounts((name) => `held_${name}`)})
  SELECT account, :now, ${forAmounts(() => "0")}, ${forAmounts(() => "0")} FROM unnest(:strange) AS g (account) ORDER BY account
  ON CONFLICT (account) DO UPDATE SET updated_at = a.updated_at`,
};

/** How a unit is counted: what is used, what is wanted besides, and how much there may be. In the order of UNITS. */
const COUNTED: Readonly<Record<Unit, readonly [used: string, wanted: string, most: string]>> = {
  costMicroUsd: ["t.cost_micro_usd", "q.cost_micro_usd", "q.most_cost"],
  inputTokens: ["t.input_tokens", "q.input_tokens", "q.most_input"],
  outputTokens: ["t.output_tokens", "q.output_tokens", "q.most_output"],
  totalTokens: ["t.input_tokens + t.output_tokens", "q.input_tokens + q.output_tokens", "q.most_tokens"],
  requests: ["t.requests", "q.requests", "q.most_requests"],
  toolCalls: ["t.tool_calls", "q.tool_calls", "q.most_tools"],
};
const UNIT_ROWS = Object.entries(COUNTED).map(([unit, cells], i) => `(${i}, '${unit}', ${cells.join(", ")})`);

/** Into `taken`: numbers of holds that fit; into `denied`, `units` and `rests`: of the others, and what was short. */
const DECIDE: Step = {
  into: ["taken", "denied", "units", "rests"],
  sql: `
  WITH RECURSIVE asked AS (
    SELECT g.*, row_number() OVER (PARTITION BY g.account ORDER BY g.n) AS place FROM ${rowsOf("h", HOLD_PARAMS)}
    WHERE NOT EXISTS (SELECT 1 FROM flujo.quota_holds AS k WHERE k.account = g.account AND k.id = g.id)),
  told AS (
    SELECT a.account, 0::int8 AS place, 0::int8 AS n, NULL::text AS unit, NULL::float8 AS rest,
      ${forAmounts((name) => `a.spent_${name} + a.held_${name} AS ${name}`)}
    FROM flujo.quota_accounts AS a WHERE a.account = ANY(:h_account)
    UNION ALL
    SELECT t.account, q.place, q.n, s.unit, s.rest,
      ${forAmounts((name) => `CASE WHEN s.unit IS NULL THEN t.${name} + q.${name} ELSE t.${name} END`)}
    FROM told AS t JOIN asked AS q ON q.account = t.account AND q.place = t.place + 1
      LEFT JOIN LATERAL (
        SELECT u.unit, greatest(0, u.most - u.used) AS rest
        FROM (VALUES ${UNIT_ROWS.join(",\n          ")}) AS u (i, unit, used, wanted, most)
        WHERE u.used + u.wanted > u.most ORDER BY u.i LIMIT 1) AS s ON TRUE)
  SELECT coalesce(array_agg(n::int) FILTER (WHERE unit IS NULL), '{}'),
    coalesce(array_agg(n::int ORDER BY n) FILTER (WHERE unit IS NOT NULL), '{}'),
    coalesce(array_agg(unit ORDER BY n) FILTER (WHERE unit IS NOT NULL), '{}'),
    coalesce(array_agg(rest ORDER BY n) FILTER (WHERE unit IS NOT NULL), '{}')
  FROM told WHERE place > 0`,
};

/** Sums by account of a table that has the columns of a spending. */
const sums = (prefix = ""): string => forAmounts((name) => `sum(${prefix}${name})::int8 AS ${prefix}${name}`);

/** No hold twice. Of each: whether it is held, else the unit that was short and what there is of it. */
export const HOLD: Program = {
  name: "hold_1",
  params: { now: "float8", ...prefixed("h", HOLD_PARAMS) },
  variables: {
    known: "text[]",
    strange: "text[]",
    taken: "int[]",
    denied: "int[]",
    units: "text[]",
    rests: "float8[]",
  },
  returns: "n int, unit text, rest float8",
  steps: [
    NOW,
    lockAccounts("h_account"),
    {
      into: "strange",
      sql: `SELECT coalesce(array_agg(DISTINCT account), '{}') FROM unnest(:h_account) AS g (account) WHERE account <> ALL(:known)`,
    },
    OPEN_ACCOUNTS,
    DECIDE,
    {
      when: "taken",
      sql: `
  INSERT INTO flujo.quota_holds (account, id, ${AMOUNTS.join(", ")}, settled)
  SELECT account, id, ${AMOUNTS.join(", ")}, false FROM ${rowsOf("h", HOLD_PARAMS)} WHERE g.n = ANY(:taken)`,
    },
    {
      when: "taken",
      sql: `
  UPDATE flujo.quota_accounts AS a SET updated_at = greatest(a.updated_at, :now),
    ${forAmounts((name) => `held_${name} = a.held_${name} + t.${name}`)}
  FROM (SELECT account, ${sums()} FROM ${rowsOf("h", HOLD_PARAMS)} WHERE g.n = ANY(:taken) GROUP BY account) AS t
  WHERE a.account = t.account`,
    },
    // Nothing is remembered of a denied hold: an account that was made for it goes again, before anybody has seen it.
    {
      when: "strange",
      sql: `
  DELETE FROM flujo.quota_accounts AS a
  WHERE a.account = ANY(:strange) AND NOT EXISTS (SELECT 1 FROM flujo.quota_holds AS k WHERE k.account = a.account)`,
    },
    {
      sql: `
  SELECT g.n::int, NULL::text, NULL::float8 FROM unnest(:h_account, :h_id) WITH ORDINALITY AS g (account, id, n)
    JOIN flujo.quota_holds AS k ON k.account = g.account AND k.id = g.id
  UNION ALL SELECT * FROM unnest(:denied, :units, :rests)`,
    },
  ],
};

/** No hold twice. */
export const SETTLE: Program = {
  name: "settle_1",
  params: { now: "float8", ...prefixed("s", SETTLE_PARAMS) },
  variables: { known: "text[]" },
  returns: "settled int",
  steps: [
    NOW,
    lockAccounts("s_account"),
    {
      sql: `
  WITH done AS (
    UPDATE flujo.quota_holds AS k SET settled = true FROM ${rowsOf("s", SETTLE_PARAMS)}
    WHERE k.account = g.account AND k.id = g.id AND NOT k.settled
    RETURNING k.account, ${forAmounts((name) => `k.${name} AS held_${name}`)},
      ${forAmounts((name) => `g.${name} AS spent_${name}`)}),
  moved AS (
    UPDATE flujo.quota_accounts AS a SET updated_at = greatest(a.updated_at, :now),
      ${forAmounts((name) => `held_${name} = a.held_${name} - d.held_${name}`)},
      ${forAmounts((name) => `spent_${name} = a.spent_${name} + d.spent_${name}`)}
    FROM (SELECT account, ${sums("held_")}, ${sums("spent_")} FROM done GROUP BY account) AS d
    WHERE a.account = d.account RETURNING 1)
  SELECT count(*)::int FROM done`,
    },
  ],
};

/** Accounts forgotten per call: their holds may be many. */
export const FORGOTTEN = 50;

/**
 * Those after `after` by name, and the last of them: no index knows when an account was touched, and each call goes on where the one
 * before has stopped looking. One that somebody has locked is being touched. No hold is younger than the last touch of its account.
 */
export const FORGET_ACCOUNTS: Program = {
  name: "forget_accounts_1",
  params: { since: "float8", after: "text" },
  variables: { gone: "text[]", last: "text" },
  returns: "forgotten int, last text",
  steps: [
    {
      into: ["gone", "last"],
      sql: `SELECT coalesce(array_agg(account), '{}'), max(account) FROM (
    SELECT account FROM flujo.quota_accounts WHERE account > :after AND updated_at < :since
    ORDER BY account LIMIT ${FORGOTTEN} FOR UPDATE SKIP LOCKED) AS past`,
    },
    { when: "gone", sql: "DELETE FROM flujo.quota_holds WHERE account = ANY(:gone)" },
    { when: "gone", sql: "DELETE FROM flujo.quota_accounts WHERE account = ANY(:gone)" },
    { sql: "SELECT cardinality(:gone), :last" },
  ],
};
