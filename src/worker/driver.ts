import { FlujoError } from "../domain/errors.ts";
import { failureFrom } from "../domain/failure.ts";
import { FinalError } from "../domain/final-error.ts";
import { type FiberKey, ROOT_FIBER } from "../domain/ids.ts";
import type { ExecutionManager } from "../engine/execution-manager.ts";
import { invariant } from "../domain/result.ts";
import { type Resident, timeFor } from "../engine/resident.ts";
import { entersQueue, schedulingOf } from "../engine/scheduling.ts";
import type { Advance } from "../engine/transitions.ts";
import type { Fiber } from "../planner/fiber.ts";
import type { Happened, Plan } from "../planner/planning.ts";
import { outOfTime } from "../planner/step.ts";
import { abortReason, type HookChain } from "../policies/hooks.ts";
import type { CommitOutcome, Store } from "../ports/store.ts";
import { adoptionEvent } from "./adoption.ts";
import { observations } from "./observations.ts";
import type { Committer } from "./committer.ts";
import type { FaultPoint, WorkerDeps } from "./deps.ts";
import type { Holdings } from "./holdings.ts";
import type { Poller } from "./poller.ts";
import { forfeits, type SharedBudgets } from "./spending.ts";
import { spentBy, type Stopped, tellAdvance, tellBegin } from "./hook-run.ts";
import type { StepHost, StepReach } from "./step-context.ts";
import type { StepCoordinator } from "./step-coordinator.ts";

/** After this many commits the event loop gets a turn: fibers of a memory store would otherwise starve timers and I/O. */
const COMMITS_PER_TURN = 256;

export interface DriverDeps {
  readonly worker: Pick<WorkerDeps, "ambient" | "observe" | "onRunEnd" | "onFacts" | "onPark" | "at" | "id">;
  readonly manager: ExecutionManager;
  readonly coordinator: StepCoordinator;
  readonly committer: Committer;
  readonly holdings: Holdings;
  readonly poller: Poller;
  readonly store: Pick<Store, "transact" | "cancel">;
  readonly host: Pick<StepHost, "hooks" | "resources" | "logger">;
  readonly shared: SharedBudgets | undefined;
  readonly queues: readonly string[];
  /** Queues known to have rules. More than have some does no harm: then this worker looks for work once more. */
  readonly governed: Set<string>;
  readonly draining: () => boolean;
  /** The drain time is over: steps were told to stop, which is no failure of theirs. */
  readonly aborting: () => boolean;
  /** Goes on with a fiber that was just born here. */
  readonly keep: (resident: Resident, first: Happened) => void;
}

/** What comes after a transition: another step, an event to be told at once, or nothing here. */
type Next = Happened | "go on" | "leave";

const NOBODY: readonly FiberKey[] = Object.freeze([]);

/** Advances one fiber: execute a step → plan → commit → go on, until it parks, ends, is lost, or the worker drains. */
export class Driver {
  readonly #with: DriverDeps;
  readonly #reach: StepReach;
  #commits = 0;

  constructor(deps: DriverDeps) {
    this.#with = deps;
    this.#reach = {
      during: (resident, happened) => this.#during(resident, happened),
      journal: (resident) => deps.manager.journal(resident),
      inflate: (wire) => deps.manager.inflateValue(wire),
      cancelRun: (resident, reason) => this.#cancelRun(resident, reason),
    };
  }

  async drive(resident: Resident, first: Happened | undefined): Promise<void> {
    const { worker, coordinator, manager, committer, draining, aborting } = this.#with;
    const { hooks } = this.#with.host;
    const hooked = worker.at !== undefined;
    if (hooked) await this.#reached("after-claim", resident);
    if (first?.type === "broken") await forfeits(resident, this.#with.shared);
    let happened = first ?? (await this.#adopted(resident));
    if (happened?.type === "began") happened = await this.#begins(resident, happened);
    while (!resident.dropped) {
      if (resident.cancel !== undefined && happened?.type !== "broken" && happened?.type !== "cancelled") {
        happened = { type: "cancelled", reason: resident.cancel };
      }
      if (happened === undefined) {
        if (draining()) return;
        if (
          resident.fiber.deadlineAt !== undefined &&
          outOfTime(resident.fiber, timeFor(resident, worker.ambient.clock))
        ) {
          happened = { type: "due" };
          continue;
        }
        if (hooked) await this.#reached("before-step", resident);
        if (isTransactional(resident)) {
          const next = await this.#inTransaction(resident);
          if (next === "leave") return;
          if (next === "go on") continue;
          happened = next;
        } else {
          const outcome = coordinator.execute(resident, this.#reach);
          happened = this.#unlessCancelled(resident, outcome instanceof Promise ? await outcome : outcome);
          if (hooked) await this.#reached("after-step", resident);
        }
        if (resident.dropped) return;
        if (happened.type === "step.failed" && aborting()) {
          // Whoever takes it up next makes this attempt again; what this one has cost is not forgotten.
          const { settled = [] } = happened;
          return settled.length === 0 ? undefined : this.#during(resident, { type: "spending", settled });
        }
      }
      const planned = manager.plan(resident, happened);
      if (happened.type === "began" && this.#beginsQuietly(resident, planned)) {
        resident.fiber = planned.after;
        happened = undefined;
        continue;
      }
      const pending = manager.advanceBy(resident, planned);
      const advance = pending instanceof Promise ? await pending : pending;
      const stopped = hooks === undefined ? undefined : await this.#told(hooks, resident, advance);
      if (stopped !== undefined) {
        happened = { ...stopped, ...spentBy(happened) };
        continue;
      }
      const ends = advance.transition.endRun !== undefined;
      if (hooked) await this.#reached(ends ? "before-end" : "before-commit", resident);
      const outcome =
        advance.children.length === 0
          ? await committer.commit(advance.transition)
          : await this.#commitChildren(advance);
      const settled = this.#settle(resident, advance, outcome);
      const next = settled instanceof Promise ? await settled : settled;
      if (next === "leave") return;
      happened = next === "go on" ? undefined : next;
    }
  }

  /** Takes in what the store answered. A promise only where something has to be done about it. */
  #settle(resident: Resident, advance: Advance, outcome: CommitOutcome): Next | Promise<Next> {
    const { worker } = this.#with;
    const isTurn = ++this.#commits % COMMITS_PER_TURN === 0;
    if (outcome.status === "committed" && !isTurn && worker.at === undefined)
      return this.#committed(resident, advance, outcome);
    return this.#settleSlowly(resident, advance, outcome, isTurn);
  }

  async #settleSlowly(resident: Resident, advance: Advance, outcome: CommitOutcome, isTurn: boolean): Promise<Next> {
    const { transition } = advance;
    const hooked = this.#with.worker.at !== undefined;
    if (hooked) await this.#reached(transition.endRun === undefined ? "after-commit" : "after-end", resident);
    const next =
      outcome.status === "committed"
        ? this.#committed(resident, advance, outcome)
        : await this.#refused(resident, advance, outcome);
    // Afterwards: a place that was left, and told so, would miss the claim that this makes, and each round would be in two parts.
    if (isTurn) await this.#with.worker.ambient.yieldTurn();
    if (hooked && next === "leave" && transition.position.kind === "parked")
      await this.#reached("after-park", resident);
    return next;
  }

  /**
   * Runs an attempt inside a transaction of the store, which commits what the step wrote and its completion together, or
   * neither. A failed attempt is rolled back, and what it came to is then recorded like that of any other step. A throw of the
   * store may be an answer lost after the commit: nobody here knows, so the fiber is dropped and given back, and whoever takes
   * it up reads what was committed.
   */
  async #inTransaction(resident: Resident): Promise<Next> {
    const { worker, store, coordinator, manager } = this.#with;
    const hooked = worker.at !== undefined;
    invariant(
      store.transact !== undefined,
      "flows with transactional steps are refused where there are no transactions",
    );
    let failed: Happened | undefined;
    let advance: Advance | undefined;
    const outcome = await store.transact(resident.run, async (tx) => {
      advance = undefined;
      failed = this.#unlessCancelled(resident, await coordinator.execute(resident, { ...this.#reach, inside: { tx } }));
      if (hooked) await this.#reached("after-step", resident);
      if (failed.type !== "step.succeeded" || resident.dropped) return undefined;
      // No child is taken here: a lease given by an answer that may take as long as a step would hold up every release.
      advance = await manager.advance(resident, failed, false);
      const { hooks } = this.#with.host;
      const stopped = hooks && (await this.#told(hooks, resident, advance));
      if (stopped !== undefined) {
        failed = { ...stopped, ...spentBy(failed) };
        return undefined;
      }
      const ends = advance.transition.endRun !== undefined;
      if (hooked) await this.#reached(ends ? "before-end" : "before-commit", resident);
      return advance.transition;
    });
    if (outcome === undefined || advance === undefined) return failed ?? "leave";
    return this.#settle(resident, advance, outcome);
  }

  /** Observers and hooks are told that a run begins. What it begins with, unless a hook wants something else. */
  async #begins(resident: Resident, began: Happened): Promise<Happened> {
    this.#tellStart(resident);
    const { hooks, resources } = this.#with.host;
    if (hooks === undefined || !resident.fiber.root || resident.seq > 0) return began;
    const stopped = await this.#obeying(resident, () => tellBegin(hooks, resident, resources));
    return stopped ?? began;
  }

  /** Hooks are told what is about to be recorded. What happens instead, where one of them wants that. */
  async #told(hooks: HookChain, resident: Resident, advance: Advance): Promise<Stopped | undefined> {
    const { resources } = this.#with.host;
    const stopped = await this.#obeying(resident, () => tellAdvance(hooks, resident, { advance, resources }));
    // It has ended by a hook's failure already: that of another one changes nothing.
    return advance.transition.endRun?.failure?.code === "HOOK_FAILED" ? undefined : stopped;
  }

  async #obeying(resident: Resident, tell: () => Promise<string | undefined>): Promise<Stopped | undefined> {
    try {
      const abort = await tell();
      if (abort === undefined) return undefined;
      await this.#cancelRun(resident, abortReason(abort));
      return { type: "cancelled", reason: abortReason(abort) };
    } catch (error) {
      if (error instanceof FinalError) return { type: "broken", failure: failureFrom(error) };
      throw error;
    }
  }

  /** Durable for the whole run, then here. A store may let it wait for the end of a transaction, which must not wait for it. */
  async #cancelRun(resident: Resident, reason: string): Promise<void> {
    const { store, holdings, host } = this.#with;
    const { run, key } = resident;
    const asked = store.cancel(run, reason);
    if (isTransactional(resident))
      asked.catch((error: unknown) => host.logger.log("error", `run ${run} could not be cancelled`, { run, error }));
    else await asked;
    for (const fiber of new Set([ROOT_FIBER, key])) holdings.cancel(run, fiber, reason);
  }

  #tellStart({ run, seq, fiber, definition: { name: flow, version } }: Resident): void {
    const { observe, ambient } = this.#with.worker;
    if (fiber.root && seq === 0) observe?.({ kind: "run.started", at: ambient.clock.now(), run, flow, version });
  }

  /** Commits something about a step that runs here; the fiber stays where it is. Rejects when it is no longer ours. */
  async #during(resident: Resident, happened: Happened): Promise<void> {
    const { worker, manager, committer } = this.#with;
    const hooked = worker.at !== undefined;
    if (hooked) await this.#reached("before-reserve", resident);
    const { transition, after } = await manager.advance(resident, happened);
    if (resident.dropped) throw lost();
    // It stays here and where it stands in its queue, whatever this clock says of when the attempt was due: it has begun.
    const { scheduling: _, ...rest } = transition;
    const outcome = await committer.commit({ ...rest, position: { kind: "held" } });
    if (outcome.status === "rejected") throw outcome.error;
    if (outcome.status !== "committed") {
      const gone = lost();
      resident.abort?.(gone);
      throw gone;
    }
    resident.seq += 1;
    resident.fiber = after;
    if (outcome.cancel !== undefined && resident.cancel === undefined) {
      resident.cancel = outcome.cancel;
      resident.abort?.(new FlujoError("RUN_CANCELLED", outcome.cancel));
    }
    if (hooked) await this.#reached("after-reserve", resident);
  }

  /** What a fiber that was just claimed has to be told. */
  async #adopted(resident: Resident): Promise<Happened | undefined> {
    const settled = await forfeits(resident, this.#with.shared);
    if (settled.length > 0) return { type: "spending", settled };
    if (resident.fiber.doing.kind === "call" && resident.messages.length === 0) {
      const ends = await this.#with.manager.missedEnds(resident);
      if (ends.length > 0) return { type: "children.ended", ends };
    }
    const told = await adoptionEvent(resident, timeFor(resident, this.#with.worker.ambient.clock));
    // Its row stood in a queue in which its step is not to run: nothing is due, but it is put where it belongs.
    return told === undefined && !this.#serves(resident, resident.fiber) ? { type: "due" } : told;
  }

  #serves({ definition }: Resident, fiber: Fiber): boolean {
    return this.#with.queues.includes(schedulingOf(definition, fiber).queue);
  }

  #reached(point: FaultPoint, { run, fiber: { doing } }: Resident): void | Promise<void> {
    return this.#with.worker.at?.(point, { run, path: "path" in doing ? doing.path : "" });
  }

  /** Going down to the first step is structure: where nothing was asked, nothing needs to be recorded before the step runs. */
  #beginsQuietly(resident: Resident, { after, facts }: Plan): boolean {
    if (facts.length > 0 || after.doing.kind !== "step") return false;
    // An attempt that was entered holds its input for its handler: that must be stored before the body runs.
    if (after.aside !== resident.fiber.aside) return false;
    return this.#serves(resident, after) && !entersQueue(resident.definition, after);
  }

  /** An attempt that failed because it was told to stop has not failed by itself. */
  #unlessCancelled({ cancel, fiber }: Resident, outcome: Happened): Happened {
    if (outcome.type !== "step.failed" || cancel === undefined || fiber.doing.kind === "undo") return outcome;
    const { settled } = outcome;
    return { type: "cancelled", reason: cancel, ...(settled && { settled }) };
  }

  #commitChildren({ transition }: Advance): Promise<CommitOutcome> {
    return this.#with.holdings.leasing(() => this.#with.committer.commit(transition));
  }

  #committed(
    resident: Resident,
    advance: Advance,
    { cancel, woken, queued = NOBODY }: Extract<CommitOutcome, { status: "committed" }>,
  ): "go on" | "leave" {
    const { holdings, poller, keep, governed } = this.#with;
    const { observe } = this.#with.worker;
    const { transition, after, children } = advance;
    const { position } = transition;
    const before = resident.scheduling;
    resident.seq += 1;
    resident.fiber = after;
    if (transition.scheduling !== undefined) resident.scheduling = transition.scheduling;
    resident.messages = [];
    if (transition.acknowledgeCancel === true) resident.cancel = undefined;
    if (cancel !== undefined) resident.cancel ??= cancel;
    holdings.progressed(resident);
    if (observe !== undefined) for (const told of observations(resident, advance)) observe(told);
    this.#with.worker.onFacts?.(resident, advance.facts);
    const waits = queued.length > 0 && queued.includes(resident.key);
    if (queued.length > 0) this.#noteQueued(resident, advance, waits);
    if (position.kind === "held" && !waits) {
      // It has left its place for one that needs none: somebody may wait for that.
      if (transition.scheduling !== undefined && governed.has(before.queue)) poller.wake();
      return "go on";
    }
    holdings.remove(resident);
    for (const child of children) if (!queued.includes(child.key)) keep(child, { type: "began" });
    if (woken || waits || transition.startRuns.length > 0 || children.length < transition.spawn.length) poller.wake();
    else if (queued.length > 0 || governed.has(before.queue)) poller.wake();
    if (position.kind === "ready") poller.wakeAt(position.at);
    if (position.kind === "parked" && position.until !== undefined) poller.wakeAt(position.until);
    this.#tell(resident, advance);
    return "leave";
  }

  /** Queues that make somebody wait have rules: from now on it matters when one of their places is left. */
  #noteQueued({ scheduling }: Resident, { children }: Advance, waits: boolean): void {
    const { governed } = this.#with;
    if (waits) governed.add(scheduling.queue);
    for (const child of children) governed.add(child.scheduling.queue);
  }

  #tell({ run, parentRun }: Resident, { transition: { endRun, wait }, after }: Advance): void {
    const { onRunEnd, onPark } = this.#with.worker;
    if (endRun !== undefined) onRunEnd?.(run, endRun, after.value);
    else if (wait?.kind === "human" || wait?.kind === "signal") {
      onPark?.(run);
      if (parentRun !== undefined) onPark?.(parentRun.run); // it may be paused for what its child asks
    }
  }

  async #refused(
    resident: Resident,
    advance: Advance,
    outcome: Exclude<CommitOutcome, { status: "committed" }>,
  ): Promise<Next> {
    const { worker, holdings, manager, committer } = this.#with;
    switch (outcome.status) {
      case "lost":
        holdings.drop(resident);
        if (advance.children.length > 0) holdings.doubt();
        // Maybe only the answer was lost: then the fiber is still ours in the store, and nobody else would ever take it.
        holdings.giveBack({ run: resident.run, fiber: resident.key }, resident.lease.epoch);
        worker.observe?.({
          kind: "lease.lost",
          at: worker.ambient.clock.now(),
          run: resident.run,
          flow: resident.definition.name,
          worker: worker.id,
        });
        return "leave";
      case "conflict":
        resident.messages = [];
        return { type: "disturbed" }; // parks again: what is left in the mailbox wakes it
      case "rejected": {
        const retry = await manager.advance(resident, {
          type: "broken",
          failure: failureFrom(outcome.error, "VALUE_NOT_SERIALIZABLE"),
        });
        const second = await committer.commit(retry.transition);
        if (second.status === "committed") return this.#committed(resident, retry, second);
        throw outcome.error;
      }
    }
  }
}

const lost = (): FlujoError => new FlujoError("LEASE_LOST", "this worker no longer holds the run");

function isTransactional({ definition, fiber: { doing } }: Resident): boolean {
  const node = doing.kind === "step" ? definition.nodes.get(doing.path) : undefined;
  return node?.kind === "step" && node.config.transactional === true;
}
