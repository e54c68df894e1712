const OFFSET = 0x811c_9dc5;
const PRIME = 0x0100_0193;

/**
 * The shard in which a run lives, or what else has a name: FNV-1a over the characters of it, mixed so that names that differ at their end only spread
 * evenly, modulo the number of shards. For ever: a run is found where it was put, so neither this function nor the number of
 * shards may change. (SHA-256 would spread no better and costs 10 µs; this is asked several times per transition.)
 */
export function shardOf(name: string, shards: number): number {
  let hash = OFFSET;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), PRIME);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % shards;
}
