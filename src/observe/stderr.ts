import { jsonLine, type Level, textLine } from "./log-line.ts";

/** What steps log when the host gives no logger: warnings and errors on stderr, as text for a terminal, else as JSON lines. */
export const stderrLogger: { log(level: Level, message: string, fields: Readonly<Record<string, unknown>>): void } = {
  log(level, message, fields) {
    if (level === "debug" || level === "info") return;
    const line = process.stderr.isTTY ? textLine : jsonLine;
    process.stderr.write(line({ at: Date.now(), level, message, fields }));
  },
};
