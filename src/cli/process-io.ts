import { createInterface } from "node:readline/promises";
import type { Io, Output, StopSignal } from "./io.ts";
import { importModule } from "./modules.ts";

/** The world of a real process. */
export function processIo(): Io {
  const callbacks = new Set<(signal: StopSignal) => void>();
  const tell = (signal: StopSignal): void => {
    for (const callback of callbacks) callback(signal);
  };
  return {
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    stdin: {
      isTTY: process.stdin.isTTY,
      read: readAll,
      ask: (prompt, signal) => ask(prompt, signal, () => tell("SIGINT")),
    },
    env: process.env,
    cwd: process.cwd(),
    now: () => Date.now(),
    onSignal: (callback) => {
      if (callbacks.size === 0) for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, tell);
      callbacks.add(callback);
      return () => {
        callbacks.delete(callback);
        if (callbacks.size === 0) for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, tell);
      };
    },
    importModule: (file) => importModule(file, process.cwd()),
  };
}

function output(stream: NodeJS.WriteStream): Output {
  return {
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.isTTY && stream.columns > 0 ? stream.columns : 80; // a pseudo terminal may say 0
    },
    write: (text) => void stream.write(text),
  };
}

async function readAll(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** A terminal in line mode keeps Ctrl-C to itself: `interrupt` hands it on. */
async function ask(prompt: string, signal: AbortSignal, interrupt: () => void): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new AbortController();
  lines.on("SIGINT", interrupt);
  lines.on("close", () => ended.abort());
  try {
    return await lines.question(prompt, { signal: AbortSignal.any([signal, ended.signal]) });
  } catch {
    return undefined; // only an abort rejects it
  } finally {
    lines.close();
  }
}
