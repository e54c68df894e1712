import type { Definition } from "../../definition/definition.ts";
import type { Fact } from "../../domain/event.ts";
import { checkInvariants } from "../../engine/invariants.ts";
import { lasting } from "../../engine/rebuild.ts";
import { seededRandom } from "../random.ts";
import { Clients } from "./clients.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { FLOWS, simulatedFlow } from "./flows.ts";
import { checkReplays } from "./replays.ts";
import { regulate } from "./rules.ts";
import { Violation } from "./trace.ts";

export interface SimulationOptions extends Pick<ClusterOptions, "commit"> {
  readonly seed: number;
  /** Default: drawn from the seed. */
  readonly flows?: readonly Definition[];
  /** Whether queues have rules. Default: drawn from the seed, one world in eight. */
  readonly governed?: boolean;
  /** Whether steps pay for what they do, within limits of runs and of what runs share; then it begins with 4 processes. Default false. */
  readonly money?: boolean;
  /** How many of the last actions a failure shows. Default 40. */
  readonly show?: number;
}

export interface SimulationReport {
  readonly seed: number;
  /** What was broken first, with the last actions before it; undefined = every invariant held. */
  readonly failure: string | undefined;
  /** Events of the world, executions of steps, runs that ended, and how often something went wrong. */
  readonly events: number;
  readonly executions: number;
  readonly runs: number;
  readonly troubles: number;
  readonly virtualMs: number;
  /** Claims under the rules of a governed queue. */
  readonly admitted: number;
  /** Calls of models and tools that were charged for. */
  readonly calls: number;
  /** How often each kind of fact was recorded. */
  readonly facts: ReadonlyMap<string, number>;
}

/**
 * With no more trouble, every run must end within this, and whoever waits for one must hear of it. Waits are answered each half
 * second and flows sleep for seconds, but a process looks for results the less often the longer its last look took.
 */
const PATIENCE_MS = 1_200_000;

/** Runs one world from its seed: the same seed is the same world, action by action. */
export async function simulate({
  seed,
  flows,
  governed,
  commit,
  money = false,
  show = 40,
}: SimulationOptions): Promise<SimulationReport> {
  const random = seededRandom(seed * 2_654_435_761);
  const chosen = flows ?? Array.from({ length: random.int(1, 3) }, () => simulatedFlow(random.int(0, FLOWS - 1)));
  const cluster = new Cluster({
    seed: random.int(0, 2 ** 32 - 1),
    flows: chosen,
    show,
    money,
    ...(commit && { commit }),
  });
  const { loop, weather } = cluster;
  const startedAt = loop.now;
  const clients = new Clients(cluster);
  for (let i = money ? 4 : random.int(1, 3); i > 0; i--) cluster.boot();
  const rules = random.fork();
  const isGoverned = governed ?? rules.chance(0.125);
  clients.begin(isGoverned ? random.int(3, 8) : random.int(1, 4)); // so many that they wait for one another
  brew(cluster);
  if (isGoverned) regulate(cluster, rules);

  const isOver = (): boolean =>
    clients.satisfied && [...cluster.tables.runs.values()].every((run) => run.endedAt !== undefined);
  const stop = (): boolean => cluster.violation !== undefined;
  await loop.run(startedAt + random.int(4_000, 25_000), () => stop() || (isOver() && weather.clear));
  clear(cluster);
  const answer = (): void => {
    clients.finish();
    loop.after(500, answer);
  };
  answer();
  await loop.run(loop.now + PATIENCE_MS, () => stop() || (isOver() && clients.unheard.length === 0));
  if (!stop()) await conclude(cluster, clients, isOver());
  return {
    seed,
    failure: cluster.violation && tell(cluster, seed),
    events: loop.events,
    executions: cluster.ledger.executions,
    runs: cluster.tables.runs.size,
    troubles: weather.troubles,
    virtualMs: loop.now - startedAt,
    admitted: cluster.places.admitted,
    calls: (cluster.money?.bank.calls ?? 0) + (cluster.money?.bank.toolCalls ?? 0),
    facts: factsOf(cluster),
  };
}

function factsOf({ tables }: Cluster): ReadonlyMap<string, number> {
  const facts = new Map<string, number>();
  const count = (what: string): void => void facts.set(what, (facts.get(what) ?? 0) + 1);
  for (const run of tables.runs.values()) {
    count(`run ${run.status}`);
    for (const event of run.events) for (const { type } of event.facts as unknown as readonly Fact[]) count(type);
  }
  return facts;
}

/** Sets what will go wrong with the processes, as the rates say. */
function brew(cluster: Cluster): void {
  const { weather, loop, random, store } = cluster;
  const { rates } = weather;
  const every = (perMinute: number, strike: () => void): void => {
    if (perMinute <= 0) return;
    const next = (): void => {
      loop.after(Math.ceil(-Math.log(1 - random.next()) * (60_000 / perMinute)), () => {
        if (weather.clear) return;
        weather.troubles += 1;
        strike();
        next();
      });
    };
    next();
  };
  every(rates.deathsPerMinute, () => {
    const victim = random.pick(cluster.members);
    if (victim === undefined) return;
    cluster.kill(victim);
    loop.after(random.int(0, 6_000), () => cluster.boot());
  });
  every(rates.stopsPerMinute, () => {
    const leaver = random.pick(cluster.listening);
    if (leaver === undefined) return;
    cluster.retire(leaver);
    loop.after(random.int(0, 3_000), () => cluster.boot());
  });
  every(rates.pausesPerMinute, () => {
    const victim = random.pick(cluster.members)?.process;
    if (victim?.runs !== true) return;
    cluster.note(victim.name, "is paused");
    victim.pause();
    loop.after(random.int(500, 9_000), () => {
      cluster.note(victim.name, "goes on");
      victim.resume();
    });
  });
  every(rates.clockJumpsPerMinute, () => {
    const offset = random.int(-4_000, 4_000);
    const victim = random.pick(cluster.members)?.process;
    if (victim === undefined) return;
    cluster.note(victim.name, `its clock is ${offset} ms off now`);
    victim.setClock(offset);
  });
  every(rates.sweepsPerMinute, () => {
    void store.sweep();
    cluster.guard(() => cluster.oracle.check());
  });
}

/** Everything that went wrong is repaired: paused processes go on, clocks are right, at least one process is there. */
function clear(cluster: Cluster): void {
  cluster.note("weather", "clears up");
  cluster.weather.clearUp();
  for (const { process } of cluster.members) {
    cluster.weather.troubles += 1; // a clock that is set right is set
    process.resume();
    process.setClock(0);
  }
  cluster.boot();
}

async function conclude(cluster: Cluster, clients: Clients, over: boolean): Promise<void> {
  const { tables, store, loop, oracle } = cluster;
  cluster.guard(() => {
    if (!over) {
      const left = [...tables.runs.values()].filter(({ endedAt }) => endedAt === undefined);
      const fibers = left.flatMap(({ id, fibers: rows }) =>
        [...rows.values()].map(
          ({ key, owner, wait, readyAt, deliveries, ended, state }) =>
            `\n  ${id}/${key} owner ${owner?.id} wait ${wait?.kind} ready ${readyAt && readyAt - loop.now} deliveries ${deliveries} ended ${ended} ${JSON.stringify((state as { doing?: unknown }).doing)}`,
        ),
      );
      throw new Violation(`${left.length} runs did not end although nothing goes wrong any more${fibers.join("")}`);
    }
    oracle.checkAll();
    const [unheard] = clients.unheard;
    if (unheard !== undefined) throw new Violation(`nobody told those who wait for ${unheard} that it has ended`);
  });
  await closeBooks(cluster);
  const unsound = await checkInvariants(store, { now: loop.now });
  cluster.guard(() => {
    if (unsound.length > 0) throw new Violation(unsound.join("\n"));
  });
  const otherwise = await checkReplays(cluster);
  cluster.guard(() => {
    if (otherwise !== undefined) throw new Violation(otherwise);
  });
}

/** What was spent, once no run spends any more. */
async function closeBooks(cluster: Cluster): Promise<void> {
  const { money, tables, oracle, store } = cluster;
  if (money === undefined) return;
  const balances = await store.balances();
  const closings = [...tables.runs.values()].map((run) => {
    const shadow = oracle.shadow(run);
    return { run, rows: lasting(shadow.definition, shadow.rows()), root: shadow.quota };
  });
  cluster.guard(() => money.bank.close(closings, balances));
}

function tell(cluster: Cluster, seed: number): string {
  const { violation, trace, weather } = cluster;
  const text = violation instanceof Violation ? violation.message : (violation?.stack ?? "");
  return [`seed ${seed}: ${text}`, `rates ${JSON.stringify(weather.rates)}`, ...trace.last()].join("\n");
}
