/**
 * The name that a mistyped one most probably means: the same letters in other spelling, one or two mistakes in a name
 * of at least `LONG` letters, or two words in common. Upper and lower case, `_` and `-` do not count.
 * @param long letters of a name from which on mistakes are looked for: too many short names are one letter apart
 * @returns undefined when none is near
 */
export function nearestName(typed: string, names: readonly string[], long = LONG): string | undefined {
  return byDistance(typed, names, long)[0];
}

/** The names that a mistyped one may mean, the nearest first: at most `MOST`, then those that begin with it. */
export function nearestNames(typed: string, names: readonly string[]): string[] {
  const begun = typed.length >= WORD ? names.filter((name) => name.startsWith(typed)) : [];
  return [...new Set([...byDistance(typed, names, LONG), ...begun])].slice(0, MOST);
}

function byDistance(typed: string, names: readonly string[], long: number): string[] {
  return names
    .map((name) => ({ name, distance: distanceBetween(typed, name, long) }))
    .filter(({ distance }) => distance !== undefined)
    .sort((a, b) => (a.distance ?? 0) - (b.distance ?? 0))
    .map(({ name }) => name);
}

/** Names that are suggested at most. */
const MOST = 8;

const LONG = 6;
/** Letters of a word that says something. */
const WORD = 3;

/** 0 to 2: mistakes; from 3 on: how many words differ, then mistakes. Undefined: the names have nothing in common. */
function distanceBetween(typed: string, name: string, long: number): number | undefined {
  const [a, b] = [typed, name].map((each) => each.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 0;
  const mistakes = editDistance(a, b);
  if (b.length >= long && mistakes <= (b.length < 2 * LONG ? 1 : 2)) return mistakes;
  const [typedWords, words] = [wordsOf(typed), wordsOf(name)];
  const common = [...words].filter((word) => typedWords.has(word)).length;
  return common >= 2 ? 3 + typedWords.size + words.size - 2 * common + mistakes / 100 : undefined;
}

function wordsOf(name: string): ReadonlySet<string> {
  return new Set(
    name
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .filter(({ length }) => length >= WORD),
  );
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). Both texts are short. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let index = 0; index < a.length; index++) {
    const next = [index + 1];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (b[column - 1] === a[index] ? 0 : 1);
      const isSwapped = index > 0 && b[column - 1] === a[index - 1] && b[column - 2] === a[index];
      const swapped = isSwapped ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(replaced, swapped, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
