import { describe, expect, test } from "vitest";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import { modelSize } from "./model-size.ts";

storeConformance(
  {
    ...modelSize(),
    name: "memory",
    open: async ({ clock }) => memoryStore({ clock }),
    lacks: {
      reject: "memory keeps values as they are, so there is none that it cannot store",
      reopen: "memory is gone with its process",
    },
  },
  { describe, expect, test },
);
