import type { Step } from "./program.ts";

/** Columns of a fiber `f` that is asked to stop for the reason of `x`: the first reason stands; nobody's rows become due. */
export const REQUEST_CANCEL = `cancel = coalesce(f.cancel, x.reason),
    ready_at = CASE WHEN f.owner IS NULL AND (f.ready_at IS NULL OR f.ready_at > :now) THEN :now ELSE f.ready_at END`;

const ASKED = `(SELECT DISTINCT ON (x.run) x.run, x.reason
    FROM unnest(:x_i, :x_run, :x_reason) WITH ORDINALITY AS x (i, run, reason, n) WHERE x.i = ANY(:OWNER) ORDER BY x.run, x.n) AS x`;

/** Asks runs, whose rows are locked, to stop: their root fibers become ready, or their owners are told. */
export const cancelRuns = (owner: string): readonly Step[] => {
  const asked = ASKED.replace("OWNER", owner);
  return [
    {
      when: "x_i",
      sql: `
  UPDATE flujo.runs AS r SET cancel_reason = x.reason FROM ${asked}
  WHERE r.id = x.run AND r.ended_at IS NULL AND r.cancel_reason IS NULL`,
    },
    {
      when: "x_i",
      sql: `
  UPDATE flujo.fibers AS f SET ${REQUEST_CANCEL} FROM ${asked} WHERE f.run = x.run AND f.key = '0' AND f.ended IS NULL`,
    },
  ];
};
