import type { Wire } from "../../domain/wire.ts";

/** A value that no codec can write: only a broken caller makes one. */
export function unstorable(): Wire {
  const cycle: { self?: Wire } = {};
  cycle.self = cycle as Wire;
  return cycle as Wire;
}
