/*
 * A transaction whose work is asynchronous holds the connection, which is this process's only one: whatever else is asked of
 * the store meanwhile would join it, and go with it if it is rolled back. So everybody waits for their turn.
 *
 * Two stores of one process on one file share their turns, too. The second one would wait for the file inside of SQLite, and
 * that stops the event loop in which the first one's work has to come to an end: both would stand still until the time-out.
 */
const open = new Map<unknown, Promise<void>>();

/**
 * The end of the transaction that is open on this database; undefined when there is none, which is nearly always. The next one
 * in the row may open its own as soon as that has ended: look again after waiting.
 */
export const otherTurn = (database: unknown): Promise<void> | undefined =>
  open.size === 0 ? undefined : open.get(database);

/** Runs the work while everybody else waits. To be called when nobody else has the turn. */
export async function takeTurn<T>(database: unknown, work: () => Promise<T>): Promise<T> {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  open.set(database, ended);
  try {
    return await work();
  } finally {
    open.delete(database);
    end();
  }
}
