import { Scan, type Span } from "./scan.ts";

/** Finds one kind of thing that identifies people or opens doors. Spans may come in any order, and overlap. */
export interface Detector {
  /** Shown in placeholders: capital letters, digits and underscores, as `EMAIL`. */
  readonly kind: string;
  find(text: string): Iterable<Span>;
}

/** A detector that has to ask elsewhere, such as a service that recognizes names. All texts of a batch at once, in their order. */
export interface SlowDetector {
  readonly kind: string;
  findIn(texts: readonly string[]): Promise<readonly (readonly Span[])[]>;
}

/** A detector of our own: `look` counts what it reads. */
export interface ScanDetector extends Detector {
  readonly look: (scan: Scan) => Iterable<Span>;
}

export const scanning = (kind: string, look: ScanDetector["look"]): ScanDetector => ({
  kind,
  look,
  find: (text) => look(new Scan(text)),
});

const isScanning = (detector: Detector): detector is ScanDetector => "look" in detector;

export interface Finding extends Span {
  readonly kind: string;
}

/** What all detectors find, in order, without overlaps: the longer wins; of equals, that of the detector named first. */
export function findAll(detectors: readonly Detector[], text: string): readonly Finding[] {
  const found: Finding[] = [];
  const scan = new Scan(text); // shared: half of our own detectors begin at the same groups of digits
  for (const detector of detectors) {
    for (const { start, end } of isScanning(detector) ? detector.look(scan) : detector.find(text))
      found.push({ kind: detector.kind, start, end });
  }
  return apart(found, text.length);
}

/** Findings in order, without overlaps. Of one that begins inside another, what lies outside remains: it was found as well. */
export function apart(found: readonly Finding[], length: number): readonly Finding[] {
  if (found.length < 2 && found.every((one) => isWithin(one, length))) return found;
  // The sort is stable: equal spans stay in the order of their detectors.
  const inOrder = found.filter((one) => isWithin(one, length)).sort((a, b) => a.start - b.start || b.end - a.end);
  const kept: Finding[] = [];
  let covered = 0;
  for (const one of inOrder) {
    if (one.end <= covered) continue;
    kept.push(one.start >= covered ? one : { ...one, start: covered });
    covered = one.end;
  }
  return kept;
}

/** A plugin that counts in bytes, or answers rubbish, must not cut a text where there is none. */
const isWithin = ({ start, end }: Span, length: number): boolean =>
  Number.isInteger(start) && Number.isInteger(end) && start >= 0 && end > start && end <= length;
