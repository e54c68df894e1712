import type { Ambient } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import type { RunId, WorkerId } from "../domain/ids.ts";
import type { Resident } from "../engine/resident.ts";
import type { FiberRef, TaskQueue } from "../ports/queue.ts";

export interface Tenure {
  readonly held: boolean;
  readonly epoch: number;
}

export interface HoldingsOptions {
  readonly ambient: Ambient;
  readonly tenure: () => Tenure;
  /** An answer that may have given leases was lost: `settleDoubt` has to be called some time soon. */
  readonly doubted: () => void;
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;

export const placeOf = ({ run, key }: Pick<Resident, "run" | "key">): string => `${run}/${key}`;

/**
 * What this worker holds, as it knows it. The store knows it too; an answer that is lost on the way makes the two differ, and
 * a fiber that the store thinks is held here and is not would never move again (I11). So every operation that may give a lease
 * is counted, and after a lost answer everything that is not known here is given back.
 */
export class Holdings {
  readonly #queue: Pick<TaskQueue, "release">;
  readonly #worker: WorkerId;
  readonly #ambient: Ambient;
  readonly #tenure: () => Tenure;
  readonly #doubted: () => void;
  readonly #residents = new Map<string, Resident>();
  readonly #faults = new Map<string, number>();
  /** Slots for what is about to be born here: children of forks on their way to the store, and runs. */
  readonly #forChildren = new Map<Resident, number>();
  #promised = 0;
  #doubt = false;
  #leasing = 0;
  /** Those, and others that wait for a release to be over. */
  #coming = 0;
  /** Held when a doubt was settled: a commit on its way may have let one go by then, and a lost claim may have taken it again. */
  #spared = new Set<Resident>();
  /** The last release under way, and who waits for the leases on their way to arrive. */
  #releasing: Promise<void> | undefined;
  readonly #drained: (() => void)[] = [];
  readonly #arrived: (() => void)[] = [];

  constructor(queue: Pick<TaskQueue, "release">, worker: WorkerId, { ambient, tenure, doubted }: HoldingsOptions) {
    this.#doubted = doubted;
    this.#queue = queue;
    this.#worker = worker;
    this.#ambient = ambient;
    this.#tenure = tenure;
  }

  /** Slots that are taken, or promised. */
  get size(): number {
    return this.#residents.size + this.#promised;
  }

  /** A run is about to be born here; `redeem` when its store has answered. */
  promise(): void {
    this.#promised += 1;
  }

  redeem(): void {
    this.#promised -= 1;
  }

  /** Children of this fiber are about to be born here. Holds until it leaves. */
  promiseChildren(parent: Resident, slots: number): void {
    this.#promised += slots - (this.#forChildren.get(parent) ?? 0);
    this.#forChildren.set(parent, slots);
  }

  #redeemChildren(parent: Resident): void {
    this.#promised -= this.#forChildren.get(parent) ?? 0;
    this.#forChildren.delete(parent);
  }

  /** False when the lease under which it came is over: then it is not ours. */
  add(resident: Resident): boolean {
    const { held, epoch } = this.#tenure();
    if (!held || resident.lease.epoch !== epoch) return false;
    this.#residents.set(placeOf(resident), resident);
    return true;
  }

  remove(resident: Resident): void {
    const place = placeOf(resident);
    if (this.#residents.get(place) === resident) this.#residents.delete(place);
    if (this.#forChildren.size > 0) this.#redeemChildren(resident);
    if (this.#spared.size > 0 && this.#spared.delete(resident)) this.doubt();
  }

  /** Runs an operation whose answer may give leases. */
  async leasing<T>(operation: () => Promise<T>): Promise<T> {
    this.#coming += 1;
    while (this.#releasing !== undefined) await this.#releasing;
    this.#leasing += 1;
    try {
      return await operation();
    } catch (error) {
      this.doubt();
      throw error;
    } finally {
      this.#coming -= 1;
      this.#leasing -= 1;
      if (this.#leasing === 0) for (const goOn of this.#drained.splice(0)) goOn();
      if (this.#coming === 0) for (const goOn of this.#arrived.splice(0)) goOn();
    }
  }

  /** Resolves when nothing that may give leases is on its way. */
  async settled(): Promise<void> {
    if (this.#coming > 0) await new Promise<void>((resolve) => this.#arrived.push(resolve));
  }

  /** An answer that may have given leases did not come. */
  doubt(): void {
    this.#doubt = true;
    this.#doubted();
  }

  /**
   * Runs a release while nothing that may give leases is on its way, and holds such operations up until it is answered: else it
   * would take back what they have just given, and two workers would run one fiber.
   */
  async #alone(release: () => Promise<unknown>): Promise<void> {
    const before = this.#releasing;
    let done = (): void => undefined;
    const mine = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#releasing = mine;
    try {
      await before;
      if (this.#leasing > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
      await this.#ambient.yieldTurn(); // the last answer may not have been taken in yet
      await release();
    } finally {
      if (this.#releasing === mine) this.#releasing = undefined;
      done();
    }
  }

  /** Gives back what the store thinks we hold and we do not. */
  async settleDoubt(): Promise<void> {
    if (!this.#doubt || !this.#tenure().held) return;
    await this.#alone(async () => {
      const { held, epoch } = this.#tenure();
      if (!held) return;
      this.#doubt = false;
      this.#spared = new Set(this.#residents.values());
      const except: FiberRef[] = [...this.#spared].map(({ run, key }) => ({ run, fiber: key }));
      await this.#queue.release(this.#worker, epoch, { except }).catch((error: unknown) => {
        this.#doubt = true;
        throw error;
      });
    });
  }

  /**
   * Hands a fiber back, again and again until the store has heard it or the lease under which it came is over. Not when it has
   * come to us again meanwhile: that would take it away from the drive that has it now.
   */
  giveBack(ref: FiberRef, epoch: number, afterMs = 0): void {
    const place = placeOf({ run: ref.run, key: ref.fiber });
    const release = async (): Promise<void> => {
      const now = this.#tenure();
      if (!now.held || now.epoch !== epoch || this.#residents.has(place)) return; // the sweep has it, or will, or we have
      await this.#queue.release(this.#worker, epoch, { only: [ref] });
    };
    const attempt = (retryMs: number): void => {
      this.#alone(release).catch(() => {
        this.#ambient.clock.after(retryMs, () => attempt(Math.min(retryMs * 2, MAX_RETRY_MS)), { idle: true });
      });
    };
    if (afterMs === 0) attempt(FIRST_RETRY_MS);
    else this.#ambient.clock.after(afterMs, () => attempt(FIRST_RETRY_MS), { idle: true });
  }

  /**
   * Advancing a fiber broke: it is dropped and handed back after a while. A release takes its delivery back, so repeated
   * faults are counted here: what fails every time must end some time.
   */
  faulted(resident: Resident): void {
    if (resident.dropped) return;
    this.drop(resident);
    const place = placeOf(resident);
    const faults = (this.#faults.get(place) ?? 0) + 1;
    this.#faults.set(place, faults);
    this.giveBack(
      { run: resident.run, fiber: resident.key },
      resident.lease.epoch,
      Math.min(50 * 2 ** faults, MAX_RETRY_MS),
    );
  }

  faultsOf(ref: Pick<Resident, "run" | "key">): number {
    return this.#faults.size === 0 ? 0 : (this.#faults.get(placeOf(ref)) ?? 0);
  }

  progressed(resident: Resident): void {
    if (this.#faults.size > 0) this.#faults.delete(placeOf(resident));
  }

  /** Nothing that this process still does with the fiber counts. */
  drop(resident: Resident): void {
    resident.dropped = true;
    this.remove(resident);
  }

  /** Asks the attempts that run now to stop; compensations are left to finish. */
  abortAll(reason: FlujoError): void {
    for (const resident of this.#residents.values()) resident.abort?.(reason);
  }

  dropAll(each?: (resident: Resident) => void): void {
    const gone = new FlujoError("LEASE_LOST", "this worker no longer holds the run");
    for (const resident of this.#residents.values()) {
      this.#redeemChildren(resident);
      resident.dropped = true;
      resident.abort?.(gone);
      each?.(resident);
    }
    this.#residents.clear();
    this.#spared.clear();
  }

  cancel(run: RunId, fiber: string, reason: string): void {
    const resident = this.#residents.get(`${run}/${fiber}`);
    if (resident === undefined || resident.cancel !== undefined) return;
    resident.cancel = reason;
    if (resident.fiber.doing.kind !== "undo") resident.abort?.(new FlujoError("RUN_CANCELLED", reason));
  }
}
