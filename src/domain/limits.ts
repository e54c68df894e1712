import { invariant } from "./result.ts";

/** A limit on everything, its unit in its name, its reason beside it. */
export const LIMITS = {
  idCharacters: 128, // fits every backend's key and index sizes
  keyCharacters: 256, // a tenant, a model, an e-mail address; at most 1 KB in an index
  itemKeyCharacters: 512, // a hash and what it is of; 1.5 KB in an index, and hardly ever 2.5, where Postgres takes 2.7
  holdIdCharacters: 1_280, // a run id, a fiber key, a number; in an index together with its account
  tokenCharacters: 2_048, // a run id, a fiber key of up to 64 numbers of 14 digits, a number
  nodesPerFlow: 5_000, // describe() and fingerprint walk the whole tree once per build
  nodeDepth: 64, // the frame stack is written with every transition
  loopIterations: 1_000_000, // an unbounded loop of model calls is a billing incident, not a feature
  mapItems: 1_000_000, // the gathered output is one value in memory
  mapConcurrency: 10, // default window of a map (DESIGN: the seeds disagree, 10 it is)
  retryAttempts: 1_000,
  retryAfterMs: 2_592_000_000, // 30 days: a longer pause is a wrong unit or a broken header, and looks like a lost run
  payloadBytes: 67_108_864, // 64 MiB: above this a value belongs in object storage, referred to by key
  inlineBytes: 65_536, // 64 KiB: above this a value is kept once in `blobs` and travels as a reference
  valueDepth: 512, // deeper is a cycle or a mistake; JSON.parse itself gives up near 7,000
  deliveries: 10, // adoptions of one step without progress before the run is failed as WORKER_LOST
  pageSize: 1_000,
  cacheEntries: 1_000, // results of cached steps that a process keeps: the seeds' 1,024, rounded
  cacheCharacters: 67_108_864, // and what they weigh at most: as much as one largest value
  hookMs: 10_000, // a hook that hangs must not hold a run for ever; longer work belongs in a step
  messageBytes: 1_048_576,
  heartbeatMs: 500,
  leaseMs: 2_500, // how soon a dead worker's runs go on, less a beat; a process that stands still for 1.5 s keeps it
  sweepMs: 500,
} as const;

invariant(LIMITS.idCharacters + LIMITS.nodeDepth * 15 + 32 < LIMITS.tokenCharacters, "every pause can be named");
invariant(LIMITS.idCharacters + LIMITS.nodeDepth * 15 + 32 < LIMITS.holdIdCharacters, "every reservation can be named");
// Four missed beats are weather, five are a death: 5 x 0.5 s = the lease.
invariant(LIMITS.heartbeatMs * 4 < LIMITS.leaseMs, "four heartbeats fit in a lease");
invariant(LIMITS.sweepMs <= LIMITS.heartbeatMs, "a sweep looks as often as a worker beats");
invariant(LIMITS.inlineBytes < LIMITS.payloadBytes, "inline values are smaller than the largest value");
