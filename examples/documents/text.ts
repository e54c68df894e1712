// How a text falls into paragraphs, sentences and words. Everything else in this folder counts and ranks these pieces.

const sentenceSegmenter = new Intl.Segmenter("en", { granularity: "sentence" });
const wordSegmenter = new Intl.Segmenter("en", { granularity: "word" });

// Unicode's rules end a sentence after "Mr." and after the "!" in «"No room!" they cried»; both are joined again below.
const ENDS_IN_ABBREVIATION =
  /(?:^|[\s("'“‘])(?:Mr|Mrs|Ms|Dr|St|Messrs|Capt|Col|Gen|Hon|Rev|Jr|Sr|No|vs|viz|[A-Z])\.\s*$/u;
const STARTS_MID_SENTENCE = /^["'“”‘’(\-–—\s]*\p{Ll}/u;
// V8 walks a segmented string from its start for every segment: 16 × the text took 800 × the time (0.3 s -> 245 s for
// 800 KB). So the segmenters only ever see short pieces: words come from runs that end at a blank, sentences from these.
const PIECE_CHARACTERS = 2_000;
const BLANK_AFTER_SENTENCE = /(?<=[.!?…]["'”’)\]]*)\s+/u;
const SHORT_RUN = /.{1,250}(?!\S)|\S{1,250}/gsu;
const ENDS_LIKE_A_SENTENCE = /[.!?…]["'”’)\]]*$/u;

/** Paragraphs, each on one line, as blank lines separate them. */
export function paragraphsOf(text: string): string[] {
  return text
    .split(/\r?\n[^\S\n]*\r?\n\s*/u)
    .map((paragraph) => paragraph.replace(/\s+/gu, " ").trim())
    .filter((paragraph) => paragraph !== "");
}

/** The sentences of one paragraph, trimmed. */
export function sentencesOf(paragraph: string): string[] {
  const sentences: string[][] = [];
  let before = "";
  for (const { segment } of piecesOf(paragraph).flatMap((piece) => [...sentenceSegmenter.segment(piece)])) {
    const continues = ENDS_IN_ABBREVIATION.test(before) || STARTS_MID_SENTENCE.test(segment);
    const current = sentences.at(-1);
    if (continues && current !== undefined) current.push(segment);
    else sentences.push([segment]);
    before = segment;
  }
  return sentences.map((segments) => segments.join("").trim()).filter((sentence) => sentence !== "");
}

/** A paragraph in pieces of a few thousand characters, cut only where a sentence may end, and nowhere else. */
function piecesOf(paragraph: string): string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const sentence of paragraph.split(BLANK_AFTER_SENTENCE)) {
    piece += piece === "" ? sentence : ` ${sentence}`;
    if (piece.length < PIECE_CHARACTERS) continue;
    pieces.push(`${piece} `);
    piece = "";
  }
  return [...pieces, piece];
}

/** The words of a text as written, without punctuation. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const run of text.match(SHORT_RUN) ?? []) {
    for (const { segment, isWordLike } of wordSegmenter.segment(run)) {
      // "_" holds words together by Unicode's rules, but plain texts use it to mark _emphasis_.
      if (isWordLike) words.push(...segment.split("_").filter((word) => word !== ""));
    }
  }
  return words;
}

/** Whether a sentence ends as prose does; headings, lists of names and table rows do not. */
export function endsLikeASentence(sentence: string): boolean {
  return ENDS_LIKE_A_SENTENCE.test(sentence);
}

/** A word without case, possessive and plural ending, so that "Whale's", "whales" and "Whale" count as one. */
export function stemOf(word: string): string {
  const bare = word.toLowerCase().replace(/['’]s?$/u, "");
  if (bare.length > 4 && bare.endsWith("ies")) return `${bare.slice(0, -3)}y`;
  if (bare.length > 4 && /(?:ss|sh|ch|x)es$/u.test(bare)) return bare.slice(0, -2);
  if (bare.length > 3 && /[^sui]s$/u.test(bare)) return bare.slice(0, -1);
  return bare;
}

/** The first heading of a document, or its file name where it has none. */
export function titleOf(text: string, file: string): string {
  const [first = "", second = ""] = text
    .trimStart()
    .split("\n", 2)
    .map((line) => line.trim());
  if (first === "" || first.length > 100) return file;
  const continued = second !== "" && second.length <= 60 && !endsLikeASentence(first) && /^[\p{Lu}\d]/u.test(second);
  return continued ? `${first} · ${second}` : first;
}
