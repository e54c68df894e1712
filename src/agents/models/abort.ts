/**
 * Settles as `work` does, or rejects with the reason of the signal as soon as it is aborted, whether or not `work` listens:
 * providers differ in how soon they notice. Leaves no listener behind.
 */
export async function untilAborted<T>(signal: AbortSignal, work: PromiseLike<T>): Promise<T> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- whoever aborts says why, in any form
    const tell = (): void => reject(signal.reason);
    if (signal.aborted) return tell();
    signal.addEventListener("abort", tell, { once: true });
    stop = () => signal.removeEventListener("abort", tell);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    stop();
  }
}

/** What a stream gives, one by one, until it is aborted. Cancels it when its reader stops early. */
export async function* readUntilAborted<T>(stream: ReadableStream<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const reader = stream.getReader();
  let open = true;
  try {
    for (;;) {
      const { done, value } = await untilAborted(signal, reader.read());
      if (done) break;
      yield value;
    }
    open = false;
  } finally {
    // Not awaited: a source that hangs would hang its reader. What cancelling says is of no use to anybody.
    if (open) reader.cancel().catch(() => undefined);
  }
}
