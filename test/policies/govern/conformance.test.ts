import { describe, expect, test } from "vitest";
import type { Detector } from "../../../src/policies/govern/detector.ts";
import { concealingStore } from "../../../src/policies/govern/concealing-store.ts";
import { Veil } from "../../../src/policies/govern/veil.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { storeConformance } from "../../../src/testing/conformance/conformance.ts";

/** Conceals every text whole, however harmless: what a store's contract says must hold whatever is concealed. */
const everything: Detector = { kind: "ANY", find: (text) => [{ start: 0, end: text.length }] };

storeConformance(
  {
    name: "memory behind a veil that conceals all texts",
    open: async ({ clock }) => concealingStore(memoryStore({ clock }), new Veil({ detectors: [everything] })),
    seeds: 60,
    lacks: {
      reject: "memory keeps values as they are, so there is none that it cannot store",
      shard: "shards are joined below the veil, which goes around what they are together",
      reopen: "memory is gone with its process",
    },
  },
  { describe, expect, test },
);
