import type { TestApi } from "./api.ts";
import { cancel } from "./cancel.ts";
import { claim, due, order, queues } from "./claim.ts";
import { batch, commit, reject } from "./commit.ts";
import { ending, history } from "./ending.ts";
import { atomic, fence } from "./fence.ts";
import { childRuns, forks } from "./forks.ts";
import { governedModel } from "./governed-model.ts";
import { governedBirth, governedDue, governedStops } from "./governed-rows.ts";
import { itemModel, ledgerModel } from "./kept-model.ts";
import { lanes } from "./lanes.ts";
import { itemExpiry, rejectedItems } from "./item-expiry.ts";
import { itemLists, items, itemTexts } from "./items.ts";
import { leases, release } from "./leases.ts";
import { ledger, ledgerOnce, ledgerRetention } from "./ledger.ts";
import { closing, hints, reopening } from "./lifecycle.ts";
import { listing } from "./listing.ts";
import { mailbox } from "./mailbox.ts";
import { migrating } from "./migrations.ts";
import { modelled } from "./model-check.ts";
import { once } from "./once.ts";
import { parking } from "./parking.ts";
import { payload } from "./payload.ts";
import { governedPlaces, keptRules } from "./queue-rules.ts";
import { rates } from "./rates.ts";
import { blobs, definitions, retention } from "./retention.ts";
import { reviving } from "./revival.ts";
import { runs, statuses } from "./runs.ts";
import { schedules } from "./schedules.ts";
import { shard } from "./shard.ts";
import { start } from "./start.ts";
import { type AspectSuite, defineAspect } from "./suite.ts";
import { transact } from "./transact.ts";
import type { UnderTest } from "./under-test.ts";
import { workers } from "./workers.ts";

const SUITES: readonly AspectSuite[] = [
  runs,
  statuses,
  start,
  claim,
  queues,
  order,
  due,
  keptRules,
  governedPlaces,
  governedBirth,
  governedStops,
  governedDue,
  governedModel,
  lanes,
  rates,
  leases,
  release,
  workers,
  fence,
  commit,
  atomic,
  batch,
  reject,
  parking,
  mailbox,
  once,
  cancel,
  forks,
  childRuns,
  ending,
  history,
  listing,
  retention,
  definitions,
  blobs,
  reviving,
  payload,
  schedules,
  items,
  itemTexts,
  itemLists,
  itemExpiry,
  rejectedItems,
  itemModel,
  ledger,
  ledgerOnce,
  ledgerRetention,
  ledgerModel,
  transact,
  shard,
  migrating,
  hints,
  closing,
  reopening,
  modelled,
];

/**
 * The definition of the store contract: a store that passes keeps every promise that the engine builds on (I1 to I6, I8, I9,
 * I11). One case, one empty store, in any order; time is a clock that the suite moves, so nothing sleeps.
 *
 * `underTest` says how to open the store, and what it lacks with a reason; `api` is the test runner's own
 * `{ describe, test, expect }`, so that the suite works with whatever its user tests with.
 *
 *   import { describe, expect, test } from "vitest";
 *   import { storeConformance } from "flujo/testing";
 *
 *   storeConformance({ name: "mine", open: async ({ clock }) => await myStore({ clock }) }, { describe, expect, test });
 */
export function storeConformance(underTest: UnderTest, api: TestApi): void {
  api.describe(`the ${underTest.name} store`, () => {
    for (const suite of SUITES) defineAspect(suite, underTest, api);
  });
}
