/** What a promise resolves with, or "nothing" when it takes too long. */
export async function within<T>(promise: Promise<T>, ms = 1_500): Promise<T | "nothing"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"nothing">((resolve) => {
    timer = setTimeout(resolve, ms, "nothing");
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
