#!/usr/bin/env node
import { main } from "./main.ts";
import { processIo } from "./process-io.ts";

// A reader that goes away (`flujo list | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

const code = await main(process.argv.slice(2), processIo());
// A module of the user's may have left connections open: the command is over all the same, once its words are written.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
