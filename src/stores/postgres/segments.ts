/** A batch in parts that follow each other, none of which names anything twice: nearly always one part. */
export function segmentsOf<T>(batch: readonly T[], nameOf: (one: T) => string): readonly (readonly T[])[] {
  const segments: T[][] = [];
  let named = new Set<string>();
  for (const one of batch) {
    const name = nameOf(one);
    const last = named.has(name) ? undefined : segments.at(-1);
    if (last === undefined) {
      segments.push([one]);
      named = new Set([name]);
    } else {
      last.push(one);
      named.add(name);
    }
  }
  return segments;
}
