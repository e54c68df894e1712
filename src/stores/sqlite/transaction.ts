import { FlujoError } from "../../domain/errors.ts";
import type { CommitOutcome, Transition } from "../../ports/store.ts";
import { Batch } from "./commit.ts";
import type { Connection } from "./driver.ts";
import { storeError } from "./errors.ts";
import type { Work } from "./work.ts";

/**
 * One transaction around work that takes its time. The write lock is taken first, so that it cannot be missing when the work has
 * been done. A process that is killed meanwhile leaves nothing behind: SQLite rolls back what was not committed.
 */
export async function transaction(
  db: Connection,
  work: (tx: unknown) => Promise<Transition | undefined>,
  begin: () => Work,
): Promise<CommitOutcome | undefined> {
  guarded(db, () => {
    db.run("BEGIN IMMEDIATE");
    db.run("SAVEPOINT work");
  });
  let over = false;
  let transition: Transition | undefined;
  try {
    transition = await work(onlyUntil(() => over, db.driver));
  } catch (error) {
    db.rollback();
    throw error;
  } finally {
    over = true;
  }
  return guarded(db, () => {
    db.run("RELEASE work"); // fails when the work has ended the transaction by itself: then there is nothing to be part of
    const [outcome] = transition === undefined ? [] : new Batch(begin()).commit([transition]);
    db.run(outcome?.status === "committed" ? "COMMIT" : "ROLLBACK");
    return outcome;
  });
}

function guarded<T>(db: Connection, statements: () => T): T {
  try {
    return statements();
  } catch (error) {
    db.rollback();
    throw storeError(error, db.path);
  }
}

/**
 * The driver's database, and its statements, for as long as the transaction lasts. A step that was aborted may still be running
 * when everything has been rolled back; what it writes then would stand alone, or become part of somebody else's transaction.
 */
function onlyUntil<T extends object>(isOver: () => boolean, target: T): T {
  const limited: T = new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...given: readonly unknown[]): unknown => {
        if (isOver())
          throw new FlujoError("TRANSACTION_OVER", `${String(name)} was called after the transaction had ended`);
        const answer: unknown = Reflect.apply(value, target, given);
        if (answer === target) return limited;
        return isStatement(answer) ? onlyUntil(isOver, answer) : answer;
      };
    },
  });
  return limited;
}

const isStatement = (answer: unknown): answer is object =>
  typeof answer === "object" && answer !== null && "run" in answer && "get" in answer && "all" in answer;
