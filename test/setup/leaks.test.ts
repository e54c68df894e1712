import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { createServer } from "node:net";
import { setInterval as nodeSetInterval } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { leaksSince, takeBaseline } from "./leak-check.ts";

interface Leak {
  readonly what: string;
  /** Leaks something and returns what cleans it up. */
  readonly open: () => Promise<() => Promise<unknown>> | (() => Promise<unknown>);
  readonly says: RegExp;
}

const LEAKS: readonly Leak[] = [
  { what: "an interval", open: () => stopper(setInterval(() => {}, 1_000)), says: /timer .*leaks\.test\.ts/ },
  { what: "a timeout", open: () => stopper(setTimeout(() => {}, 60_000)), says: /timer .*leaks\.test\.ts/ },
  { what: "an interval from node:timers", open: () => stopper(nodeSetInterval(() => {}, 1_000)), says: /timer/ },
  { what: "a pending sleep", open: openSleep, says: /timer/ },
  { what: "a server", open: openServer, says: /TCPServerWrap is still open/ },
  { what: "a child process", open: openChild, says: /ProcessWrap is still open/ },
  { what: "a thread", open: openThread, says: /thread \d+ is still running/ },
  { what: "a file watcher", open: openWatcher, says: /FSEventWrap is still open/ },
  { what: "a listener for SIGTERM", open: () => openListener("SIGTERM"), says: /listens for "SIGTERM"/ },
  { what: "a listener for exit", open: () => openListener("exit"), says: /listens for "exit"/ },
];

describe("the leak check", () => {
  it.each(LEAKS)("catches $what, and is content once it is gone", async ({ open, says }) => {
    const baseline = takeBaseline();
    const close = await open();
    const caught = await leaksSince(baseline);
    await close();
    expect(caught.join("\n")).toMatch(says);
    expect(await leaksSince(baseline)).toEqual([]);
  });

  it("ignores a timer that keeps no process alive", async () => {
    const baseline = takeBaseline();
    const timer = setInterval(() => {}, 1_000).unref();
    expect(await leaksSince(baseline)).toEqual([]);
    clearInterval(timer);
  });

  it("ignores timers that fired", async () => {
    const baseline = takeBaseline();
    await new Promise((resolve) => setTimeout(resolve, 1));
    await sleep(1);
    expect(await leaksSince(baseline)).toEqual([]);
  });

  it("still judges when the test uses fake timers", async () => {
    const baseline = takeBaseline();
    vi.useFakeTimers();
    const close = openListener("SIGINT");
    const caught = await leaksSince(baseline);
    await close();
    vi.useRealTimers();
    expect(caught).toHaveLength(1);
  });
});

function stopper(timer: NodeJS.Timeout): () => Promise<void> {
  return async () => clearTimeout(timer);
}

function openSleep(): () => Promise<unknown> {
  const abort = new AbortController();
  const slept = sleep(60_000, undefined, { signal: abort.signal }).catch(() => undefined);
  return () => {
    abort.abort();
    return slept;
  };
}

async function openServer(): Promise<() => Promise<unknown>> {
  const server = createServer().listen(0);
  await once(server, "listening");
  return () => once(server.close(), "close");
}

async function openChild(): Promise<() => Promise<unknown>> {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  await once(child, "spawn");
  return () => {
    child.kill("SIGKILL");
    return once(child, "close");
  };
}

async function openThread(): Promise<() => Promise<unknown>> {
  const worker = new Worker("setInterval(() => {}, 1000)", { eval: true });
  await once(worker, "online");
  return () => worker.terminate();
}

function openWatcher(): () => Promise<unknown> {
  const watcher = watch(import.meta.dirname);
  return async () => watcher.close();
}

function openListener(event: string): () => Promise<unknown> {
  const listener = (): void => {};
  process.on(event, listener);
  return async () => process.off(event, listener);
}
