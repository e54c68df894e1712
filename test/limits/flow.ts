import { existsSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import { type Flow, flow } from "flujo";
import { z } from "zod";
import { note } from "./ledger.ts";

/** The step takes that long: a call of somebody else's service, of which there must not be too many. */
const CALL_MS = 8;

/** While this file is there, steps that have begun do not end. */
export const holding = (ledger: string): string => `${ledger}.hold`;

/** One short step that says when it begins and ends. */
export const call: Flow<string, string> = flow("call", { version: "1" })
  .input(z.string())
  .step("call", async (key, { run, resources, signal }) => {
    const ledger = String(resources["ledger"]);
    const { pid } = process;
    note(ledger, { what: "begin", pid, run: run.id, key });
    do await after(CALL_MS, undefined, { signal });
    while (existsSync(holding(ledger)));
    note(ledger, { what: "end", pid, run: run.id, key });
    return key;
  })
  .build();
