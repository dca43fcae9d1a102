/** The parts of a data set: for training, for deciding when training stops, and for the report. */
export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

const SPLIT_WORDS: ReadonlyMap<string, Split> = new Map([
  ...['train', 'training', 'trainval'].map((word) => [word, 'train'] as const),
  ...['val', 'valid', 'validate', 'validation', 'dev', 'development'].map((word) => [word, 'validation'] as const),
  ...['test', 'testing', 'eval', 'evaluation', 'holdout', 'pred', 'predict', 'prediction', 'predictions'].map(
    (word) => [word, 'test'] as const,
  ),
]);

/** Words around the name of a split that add nothing to it, such as in `training_set` or `seg_train`. */
const FILLERS =
  'set|sets|data|dataset|datasets|subset|split|seg|image|images|img|imgs|pic|pics|picture|pictures|photo|photos|file|' +
  'files|sample|samples|folder|dir|label|labels|annotation|annotations';
const IS_FILLER = new RegExp(`^(?:${FILLERS})$`);
const GLUED = new RegExp(`^(${[...SPLIT_WORDS.keys()].join('|')})(${FILLERS})$`);

/** The lower-case words of a name. Digits separate words, and so does a capital letter after a small one. */
function wordsOf(name: string): string[] {
  const words = name
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}]+/u);
  return words.flatMap((word) => GLUED.exec(word)?.slice(1) ?? word).filter((word) => word !== '');
}

/** The one split that a name mentions, and its words that are neither a split nor a filler. */
function mentionedSplit(name: string): { split: Split; rest: string } | undefined {
  const words = wordsOf(name);
  const [split, ...others] = new Set(words.flatMap((word) => SPLIT_WORDS.get(word) ?? []));
  if (split === undefined || others.length > 0) return undefined;
  return { split, rest: words.filter((word) => !SPLIT_WORDS.has(word) && !IS_FILLER.test(word)).join(' ') };
}

/** The split that the name of a folder or a cell of a table means: `Train`, `training_set`, `seg_test`, `dev`. */
export function splitOf(name: string): Split | undefined {
  const mentioned = mentionedSplit(name);
  return mentioned?.rest === '' ? mentioned.split : undefined;
}

/** The split that one of the folders around a file means, the innermost first. @param name its path */
export function splitOfFolders(name: string): Split | undefined {
  const folders = name.split('/').slice(0, -1).reverse();
  return folders.map(splitOf).find((split) => split !== undefined);
}

/**
 * The splits that neighbouring folders mean, by their names. Names with other words count too if the same words are in
 * the name of another split: `birds_train` beside `birds_test`, but not `bullet_train` beside `blood_test`.
 */
export function splitsAmong(names: readonly string[]): ReadonlyMap<string, Split> {
  const mentioned = names.flatMap((name) => {
    const found = mentionedSplit(name);
    return found === undefined ? [] : [{ name, ...found }];
  });
  const splits = mentioned.filter(
    ({ split, rest }) => rest === '' || mentioned.some((other) => other.rest === rest && other.split !== split),
  );
  return new Map(splits.map(({ name, split }) => [name, split]));
}

const SPLIT_IN_NAME = new RegExp(
  `(?:^|[\\W_]+)(?:${[...SPLIT_WORDS.keys()].join('|')})(?:[\\W_]*(?:${FILLERS}))?(?=$|[\\W_]+)`,
  'gi',
);

/**
 * The class and the split that neighbouring folders mean where each is one class of one split: `cats_train`,
 * `dogs_train`, `cats_test`.
 * @returns undefined unless there are several classes, and one of them is in several splits
 */
export function classSplitsAmong(
  names: readonly string[],
): ReadonlyMap<string, { readonly label: string; readonly split: Split }> | undefined {
  const found = names.flatMap((name) => {
    const mentioned = mentionedSplit(name);
    const label = name.replaceAll(SPLIT_IN_NAME, '').replaceAll(/^[\W_]+|[\W_]+$/g, '');
    return mentioned === undefined || mentioned.rest === '' || label === '' ? [] : [{ name, label, ...mentioned }];
  });
  const classes = new Set(found.map(({ rest }) => rest));
  const hasSplits = found.some((a) => found.some((b) => b.rest === a.rest && b.split !== a.split));
  if (classes.size < 2 || !hasSplits) return undefined;
  return new Map(found.map(({ name, label, split }) => [name, { label, split }]));
}

/** Whether a folder's name says only that it holds pictures, for example `images` or `data`. */
export function isGenericName(name: string): boolean {
  const words = wordsOf(name);
  return words.length > 0 && words.every((word) => IS_FILLER.test(word));
}
