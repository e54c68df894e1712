import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/**
 * Starts the program in the background, says its pid, and ends it as soon as its own input ends: that happens when whoever
 * started it lets go, and also when that process dies of SIGKILL, so that no server outlives the tests.
 */
const LEASH = 'log=$1; signal=$2; shift 2; "$@" >"$log" 2>&1 & echo "$!"; cat >/dev/null; kill "-$signal" "$!"; wait';
const LOG_TAIL_CHARACTERS = 2_000;

/** Who a program runs as: Postgres refuses to run as root. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

export interface LeashOptions extends RunAs {
  readonly log: string;
  /** What ends the program when it is let go. */
  readonly signal: "KILL" | "QUIT";
}

/** A program that ends with us, whatever becomes of us. */
export interface Leashed {
  readonly pid: number;
  /** The end of what it wrote. */
  readonly log: () => string;
  /** Ends the program, if it has not ended yet, and waits until it is gone. */
  readonly letGo: () => Promise<void>;
}

export async function onLeash(command: readonly string[], options: LeashOptions): Promise<Leashed> {
  const { log, signal, uid, gid } = options;
  const shell = spawn("/bin/sh", ["-c", LEASH, "leash", log, signal, ...command], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true, // Ctrl-C in a terminal reaches the tests only, which then let go in good order
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
  const closed = new Promise<void>((resolve) => shell.once("close", () => resolve()));
  const pid = await new Promise<number>((resolve, reject) => {
    shell.once("error", reject);
    shell.stdout.once("data", (line: Buffer) => resolve(Number(line.toString())));
  });
  return {
    pid,
    log: () => readFileSync(log, "utf8").slice(-LOG_TAIL_CHARACTERS),
    letGo: () => {
      shell.stdin.end();
      return closed;
    },
  };
}

/** False when there is no such process any more. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A port that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

/** Asks until the answer is yes; says what it waited for when it never is. */
export async function poll(
  what: () => string,
  holds: () => Promise<boolean> | boolean,
  deadlineMs = 20_000,
): Promise<void> {
  const giveUp = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > giveUp) throw new Error(`expected ${what()} within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
