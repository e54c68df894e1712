// A worker is closed in turn 500 of an agent whose turns gave 1 MB each. How long does another one take to ask its model again?
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Rounds, find, medianOf, roundRobin, scaled } from "../bench.ts";
import { runChild } from "../child.ts";
import type { Place } from "../flujo-place.ts";
import { scratchDatabase } from "../peers/scratch-server.mjs";
import { type Measured, type Result, judge } from "../result.ts";
import { figure } from "../table.ts";

const TURNS = 499;
const CHARACTERS = 1_048_576;
const TAKES = 25;
const TIMEOUT_MS = 600_000;

interface Case {
  readonly id: string;
  readonly atMostMs: number;
  readonly place: Place;
}

/** The run is left once; whoever takes it up leaves it again as it was, and the next one takes the same run. */
export async function measureResume(bench: Bench): Promise<Measured> {
  await using file = fileIn(bench);
  await using database = await scratchOn((await bench.servers.postgres()).url);
  const cases: readonly Case[] = [
    { id: "SQLite", atMostMs: 25, place: file.place },
    { id: "Postgres", atMostMs: 50, place: database.place },
  ];
  const turns = scaled(bench, TURNS, 20);
  const left: Rounds[] = [];
  for (const each of cases) left.push(await leave(bench, each, turns));
  const taken = await roundRobin(
    bench,
    cases
      .filter(({ id }) => find(left, id)?.error === undefined)
      .map(({ id, place }) => {
        const options = ["--place", JSON.stringify(place), "--turns", `${turns}`, "--runs", `${TAKES}`];
        return { id, spec: { file: "subjects/agent-resume.ts", arguments: options } };
      }),
  );
  const of = (id: string) => find(taken, id) ?? find(left, id);
  return {
    results: cases.map(({ id, atMostMs }) => verdict(of(id), { id, atMostMs, turns })),
    tables: [
      {
        title: `From the claim to the call of the model, an agent of ${turns} turns with 1 MB each`,
        header: ["store", "take-ups", "p50 ms", "p95 ms", "first of a process, ms", "error"],
        rows: cases.map(({ id }) => row(id, of(id))),
      },
    ],
    rows: [...left, ...taken].map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}

function fileIn({ data }: Bench): { readonly place: Place } & AsyncDisposable {
  const directory = join(data, `agent-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  const dispose = async () => rmSync(directory, { recursive: true, force: true });
  return { place: { store: "sqlite", directory }, [Symbol.asyncDispose]: dispose };
}

async function scratchOn(server: string): Promise<{ readonly place: Place } & AsyncDisposable> {
  const { url, dispose } = await scratchDatabase(server);
  return { place: { store: "postgres", url }, [Symbol.asyncDispose]: dispose };
}

async function leave(bench: Bench, { id, place }: Case, turns: number): Promise<Rounds> {
  bench.progress(`an agent of ${turns} turns on ${id}`);
  const outcome = await runChild(bench.runtime, {
    file: "subjects/agent-bytes.ts",
    arguments: ["--place", JSON.stringify(place), "--turns", `${turns}`, "--characters", `${CHARACTERS}`],
    timeoutMs: TIMEOUT_MS,
  });
  return "error" in outcome ? { id, lines: [], error: outcome.error } : { id, lines: [outcome.line], error: undefined };
}

function verdict(
  rounds: Rounds | undefined,
  { id, atMostMs, turns }: Pick<Case, "id" | "atMostMs"> & { readonly turns: number },
): Result {
  return judge({
    name: `agent of ${turns} turns taken up, ${id}`,
    metric: "claim → call of the model by another runner, p95",
    unit: "ms",
    value: medianOf(rounds, "p95Ms"),
    bound: { atMost: atMostMs },
    error: rounds?.error,
  });
}

function row(id: string, rounds: Rounds | undefined): string[] {
  return [
    id,
    `${rounds?.lines[0]?.["runs"] ?? "–"}`,
    ...["p50Ms", "p95Ms", "firstMs"].map((key) => figure(medianOf(rounds, key))),
    rounds?.error ?? "",
  ];
}
