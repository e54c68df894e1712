import type { Fact } from "../domain/event.ts";
import { FlujoError } from "../domain/errors.ts";
import { type FiberKey, ROOT_FIBER, type RunId } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";
import type { Row } from "./rebuild.ts";
import { type Told, Track } from "./track.ts";

type Started = Extract<Fact, { type: "run.started" }>;

/** Where a history goes on anew: the run was retried, or this run is a fork of another. */
export interface Beginning {
  readonly kind: "retry" | "fork";
  readonly at: number;
  /** Of a fork: the run before it, and the value that one of its lines goes on with. */
  readonly from?: RunId;
  readonly target?: FiberKey;
  readonly value?: Wire;
}

/** The history of a run as answers to what a replay asks: a track for each line of execution, cut where the run began anew. */
export class Recording {
  readonly #tracks = new Map<FiberKey, Track>();
  readonly #run: RunId;
  readonly beginnings: readonly Beginning[];

  constructor(run: RunId, rows: readonly Row[]) {
    this.#run = run;
    const told = new Map<FiberKey, Told[]>();
    const cuts = new Map<FiberKey, number[]>();
    const beginnings: Beginning[] = [];
    for (const [row, { fiber, at, facts }] of rows.entries()) {
      const line = told.get(fiber) ?? [];
      for (const fact of facts) {
        const beginning = beginningIn(fact, { fiber, at });
        if (beginning === undefined) line.push({ fact, at, row });
        else for (const [key, one] of told) cutsOf(cuts, key)[beginnings.length] = one.length;
        if (beginning !== undefined) beginnings.push(beginning);
      }
      if (line.length > 0) told.set(fiber, line);
    }
    for (const [key, line] of told) this.#tracks.set(key, new Track(line, cuts.get(key)));
    this.beginnings = beginnings;
  }

  get fibers(): Iterable<FiberKey> {
    return this.#tracks.keys();
  }

  track(key: FiberKey): Track {
    const track = this.#tracks.get(key) ?? new Track([]);
    this.#tracks.set(key, track);
    return track;
  }

  first(): Started {
    const fact = this.track(ROOT_FIBER).first();
    if (fact?.type === "run.started") return fact;
    throw new FlujoError("REPLAY_MISSING", "the record does not tell how the run began");
  }

  /** Whose history a part is: what comes before a fork was recorded by the run that was forked, under its id. */
  runIn(part: number): RunId {
    return this.beginnings.slice(part).find(({ from }) => from !== undefined)?.from ?? this.#run;
  }
}

function beginningIn(fact: Fact, { fiber, at }: Pick<Row, "fiber" | "at">): Beginning | undefined {
  if (fact.type === "run.retried") return { kind: "retry", at };
  if (fact.type !== "run.forked") return undefined;
  const { from, target = fiber, value } = fact;
  return { kind: "fork", at, from: from as RunId, target, ...(value !== undefined && { value }) };
}

function cutsOf(cuts: Map<FiberKey, number[]>, key: FiberKey): number[] {
  const known = cuts.get(key) ?? [];
  cuts.set(key, known);
  return known;
}
