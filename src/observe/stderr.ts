type Level = "debug" | "info" | "warn" | "error";

/** What steps log when the host gives no logger: warnings and errors as JSON lines on stderr. */
export const stderrLogger: { log(level: Level, message: string, fields: Readonly<Record<string, unknown>>): void } = {
  log(level, message, fields) {
    if (level === "debug" || level === "info") return;
    process.stderr.write(`${JSON.stringify({ level, message, ...fields })}\n`);
  },
};
