// Words that say nothing about what an English text is about, with the older forms our sample texts use.
const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about above according across after afterwards again against ah ago all almost alone along already also although
  always am among amongst an and another any anybody anyone anything are aren't around as aside at away back be became
  because become been before began begin behind being below beneath besides best better between beyond both but by came
  can can't cannot certain certainly chapter come could couldn't cried day days dear did didn't do does doesn't doing don't done
  doth down during each either else enough et etc even ever every everybody everyone everything except far few find
  first for former forth found four from full further gave get give given go goes going gone good got great had hadn't
  half has hast hasn't hath have haven't having he he'd he'll he's her here hers herself herein him himself his how
  however i i'd i'll i'm i've if in indeed instead into is isn't it it's its itself just keep kept knew know known last
  later latter least left less let like likewise little long look looked made make many may me mean meanwhile met might moment
  mine miss more moreover most mr mrs much must my myself nay near need neither never nevertheless new next no nobody
  non none nor not nothing now o of off often oh old on once one one's only onto or other others otherwise ought our
  ours ourselves out over own part per perhaps present put quite rather really replied round said same saw say says see
  seem seemed seems seen several shall shan't she she'd she'll she's should shouldn't since sir so some somebody somehow
  someone something sometimes somewhat soon still such take taken than that that's the thee their theirs them themselves
  then thence there there's thereby therefore therein these they they'd they'll they're they've thing things think this
  thither those thou though thought three through time times throughout thus thy till to together told too took toward towards two
  under unless until unto up upon us use used usual very via was wasn't way we we'd we'll we're we've well went were
  weren't what whatever when whence whenever where whereas wherein whereof wherever whether which while whither who
  who's whole whom whose why will with within without won't would wouldn't ye yes yet you you'd you'll you're you've
  your yours yourself yourselves`.split(/\s+/u),
);

/** Whether a word carries no topic: a function word, a number, or too short to tell. */
export function isStopWord(word: string): boolean {
  const plain = word.toLowerCase().replaceAll("’", "'");
  return plain.length < 3 || /\d/u.test(plain) || STOP_WORDS.has(plain) || STOP_WORDS.has(plain.replace(/'s$/u, ""));
}
