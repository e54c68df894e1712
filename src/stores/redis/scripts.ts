import { createHash } from "node:crypto";
import { BASE, FIBERS, QUEUES } from "./lua/base.ts";
import { CLAIM, NEXT_DUE } from "./lua/claim.ts";
import { DUE, GOVERN, MOVE, MOVE_ROWS, PUT_RULES } from "./lua/govern.ts";
import { COMMIT } from "./lua/commit.ts";
import { EXPIRE_ITEMS, GET_ITEMS, ITEMS, LIST_ITEMS, PUT_ITEMS, REMOVE_ITEMS } from "./lua/items.ts";
import { BALANCES, HOLD, LEDGER, PRUNE_ACCOUNTS, SETTLE_HOLDS } from "./lua/ledger.ts";
import { LIST } from "./lua/list.ts";
import { RATES } from "./lua/rates.ts";
import { CANCEL, CREATE_RUNS, ENDED, FORGET, LOAD, OPEN_FIBERS, REVIVE, SIGNAL } from "./lua/operations.ts";
import {
  MARK,
  MIGRATE,
  MOVE_SCHEDULE,
  OUTBOX,
  OUTBOX_DONE,
  PUT_SCHEDULE,
  REMOVE_SCHEDULE,
  SCHEDULES,
  VERSION,
} from "./lua/records.ts";
import { MESSAGES, RUNS } from "./lua/runs.ts";
import { HEARTBEAT, HELD, LEASES, REGISTER, RELEASE, RENEW, SWEEP, WORKERS } from "./lua/workers.ts";

/** A script with its digest, by which the server knows it after the first time. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(...parts: readonly string[]): Script {
  const text = [BASE, ...parts].join("");
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

export type Operation =
  | "createRuns"
  | "commit"
  | "signal"
  | "cancel"
  | "revive"
  | "load"
  | "openFibers"
  | "list"
  | "ended"
  | "forget"
  | "claim"
  | "putRules"
  | "moveRows"
  | "nextDue"
  | "register"
  | "sweep"
  | "heartbeat"
  | "renew"
  | "held"
  | "release"
  | "workers"
  | "putSchedule"
  | "schedules"
  | "removeSchedule"
  | "moveSchedule"
  | "getItems"
  | "putItems"
  | "removeItems"
  | "listItems"
  | "expireItems"
  | "hold"
  | "settleHolds"
  | "balances"
  | "pruneAccounts"
  | "outbox"
  | "outboxDone"
  | "mark"
  | "version"
  | "migrate";

/** One script for each operation. Each has the parts that it needs and no others: a script runs its whole text. */
export const SCRIPTS: Readonly<Record<Operation, Script>> = {
  createRuns: script(QUEUES, FIBERS, MESSAGES, RUNS, CREATE_RUNS),
  commit: script(QUEUES, FIBERS, MESSAGES, RUNS, COMMIT),
  signal: script(QUEUES, FIBERS, MESSAGES, SIGNAL),
  cancel: script(QUEUES, FIBERS, MESSAGES, RUNS, CANCEL),
  revive: script(QUEUES, FIBERS, MESSAGES, RUNS, REVIVE),
  load: script(QUEUES, FIBERS, MESSAGES, RUNS, LOAD),
  openFibers: script(OPEN_FIBERS),
  list: script(QUEUES, FIBERS, MESSAGES, RUNS, LIST),
  ended: script(ENDED),
  forget: script(QUEUES, FIBERS, MESSAGES, RUNS, FORGET),
  claim: script(QUEUES, FIBERS, RATES, DUE, GOVERN, MOVE, CLAIM),
  putRules: script(QUEUES, FIBERS, DUE, MOVE, PUT_RULES),
  moveRows: script(QUEUES, FIBERS, DUE, MOVE, MOVE_ROWS),
  nextDue: script(QUEUES, RATES, DUE, GOVERN, NEXT_DUE),
  register: script(QUEUES, FIBERS, LEASES, REGISTER),
  sweep: script(QUEUES, FIBERS, LEASES, SWEEP),
  heartbeat: script(HEARTBEAT),
  renew: script(RENEW),
  held: script(HELD),
  release: script(QUEUES, FIBERS, RELEASE),
  workers: script(WORKERS),
  putSchedule: script(PUT_SCHEDULE),
  schedules: script(SCHEDULES),
  removeSchedule: script(REMOVE_SCHEDULE),
  moveSchedule: script(MOVE_SCHEDULE),
  getItems: script(ITEMS, GET_ITEMS),
  putItems: script(ITEMS, PUT_ITEMS),
  removeItems: script(ITEMS, REMOVE_ITEMS),
  listItems: script(ITEMS, LIST_ITEMS),
  expireItems: script(ITEMS, EXPIRE_ITEMS),
  hold: script(LEDGER, HOLD),
  settleHolds: script(LEDGER, SETTLE_HOLDS),
  balances: script(LEDGER, BALANCES),
  pruneAccounts: script(LEDGER, PRUNE_ACCOUNTS),
  outbox: script(OUTBOX),
  outboxDone: script(OUTBOX_DONE),
  mark: script(MARK),
  version: script(VERSION),
  migrate: script(MIGRATE),
};
