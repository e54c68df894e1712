// What the figures were measured on. Ratios travel between machines, absolute numbers do not.
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from "node:fs";
import { arch, cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly os: string;
  readonly architecture: string;
  /** Node that runs the bench itself; the measured processes report their own. */
  readonly hostNode: string;
  readonly fdatasyncPerSecond: number;
  readonly freeDiskGb: number;
  /** One-minute load average before the bench: above ~0.5 per core the figures are too low. */
  readonly loadBefore: number;
}

const DISK_PROBE_MS = 500;
const BLOCK_BYTES = 4096;

/** Describes this machine; `directory` must be on the disk the databases will be on. */
export function describeMachine(directory: string): Machine {
  mkdirSync(directory, { recursive: true });
  const disk = statfsSync(directory);
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: round1(totalmem() / 2 ** 30),
    os: `${distribution()} (${type()} ${release()})`,
    architecture: arch(),
    hostNode: process.version,
    fdatasyncPerSecond: Math.round(fdatasyncRate(directory)),
    freeDiskGb: round1((disk.bavail * disk.bsize) / 2 ** 30),
    loadBefore: round1(loadavg()[0] ?? 0),
  };
}

/** How often per second this disk acknowledges one 4 KiB write: the ceiling of anything that syncs each commit. */
function fdatasyncRate(directory: string): number {
  const path = join(directory, `fdatasync-${process.pid}`);
  const file = openSync(path, "w");
  const block = Buffer.alloc(BLOCK_BYTES, 1);
  try {
    let count = 0;
    const startedAt = performance.now();
    let now = startedAt;
    for (; now - startedAt < DISK_PROBE_MS; now = performance.now()) {
      writeSync(file, block, 0, BLOCK_BYTES, (count++ % 1024) * BLOCK_BYTES);
      fdatasyncSync(file);
    }
    return (count * 1000) / (now - startedAt);
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? type();
  } catch {
    return type();
  }
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}
