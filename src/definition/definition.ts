import type { Fingerprint } from "../domain/ids.ts";
import type { Schema } from "../domain/schema.ts";
import type { Invariant } from "./around.ts";
import type { FlowRef, Node } from "./node.ts";

/** The immutable tree a flow compiles to, identified by name + version + fingerprint. Frozen; shared by every run. */
export interface Definition extends FlowRef {
  readonly name: string;
  readonly version: string;
  readonly fingerprint: Fingerprint;
  readonly description?: string;
  readonly revision?: string;
  readonly input?: Schema;
  readonly context?: Schema;
  readonly output?: Schema;
  /** Wall-clock bound of a whole run, in milliseconds. */
  readonly timeoutMs?: number;
  /** Asked after every step. */
  readonly invariants?: readonly Invariant[];
  readonly root: Node;
  /** Every node by its path: the planner looks nodes up here and never walks. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** Definitions that call nodes refer to, so that a worker of this flow can run its children too. */
  readonly calls: readonly Definition[];
}

/** `name@version`, as people write it. */
export const titleOf = ({ name, version }: { readonly name: string; readonly version: string }): string =>
  `${name}@${version}`;
