import type { PreflightReport, PreflightWarning, ReportedGroups } from './preflight-report.ts';

/** Below this the figures of a class in the report are rough, and a few bad images show. */
const FEW_IMAGES_PER_CLASS = 50;
/** Worse than 1:2, the larger class begins to be guessed too often. */
const MAX_IMBALANCE = 2;

/** The findings of a report that its reader should act upon, each with what to do. */
export function preflightWarnings(report: Omit<PreflightReport, 'warnings'>): PreflightWarning[] {
  const warnings: PreflightWarning[] = [];
  const warn = (code: string, message: string, context: PreflightWarning['context']): void => {
    warnings.push({ code, message, context });
  };

  const few = report.classes.filter(({ images }) => images < FEW_IMAGES_PER_CLASS);
  if (few.length > 0) {
    warn(
      'few_images',
      `${counted(few.length, 'class has', 'classes have')} fewer than ${FEW_IMAGES_PER_CLASS} images: more of them would help most`,
      { minimum: FEW_IMAGES_PER_CLASS, classes: Object.fromEntries(few.map(({ name, images }) => [name, images])) },
    );
  }
  if (report.imbalance !== null && report.imbalance > MAX_IMBALANCE) {
    const bySize = [...report.classes].sort((a, b) => a.images - b.images);
    warn(
      'imbalance',
      `the largest class has ${report.imbalance} times the images of the smallest: even numbers are best, else class_weights=balanced lets the small ones count for more`,
      { ratio: report.imbalance, smallest: bySize[0]?.name, largest: bySize.at(-1)?.name },
    );
  }
  const alike = namesAlike(report.classes.map(({ name }) => name));
  if (alike.length > 0) {
    warn(
      'class_names_alike',
      `classes are called alike: ${alike
        .slice(0, 3)
        .map((names) => names.map((name) => JSON.stringify(name)).join(' and '))
        .join('; ')}. If one is meant, give it one name`,
      { groups: alike.slice(0, 10) },
    );
  }
  const { unreadable, missing, small_images: small } = report;
  if (unreadable.count > 0) {
    warn('unreadable', `${counted(unreadable.count, 'image', 'images')} cannot be read and will not be used`, {
      count: unreadable.count,
      files: unreadable.examples.slice(0, 10),
    });
  }
  if (missing.count > 0) {
    warn('missing', `labels.csv names ${counted(missing.count, 'file that is', 'files that are')} not there`, {
      count: missing.count,
      files: missing.examples.slice(0, 10),
    });
  }
  const warnOfGroups = (code: string, { count, examples }: ReportedGroups, message: string): void => {
    if (count > 0) warn(code, message, { count, examples: examples.slice(0, 5) });
  };
  warnOfGroups(
    'conflicting_labels',
    report.conflicting_labels,
    `${counted(report.conflicting_labels.count, 'picture stands', 'pictures stand')} under several labels and will not be used: keep the right one`,
  );
  warnOfGroups(
    'leakage',
    report.leakage,
    `${counted(report.leakage.count, 'picture is', 'pictures are')} in several splits: only the copy in the test part, else in the validation part, will be used`,
  );
  warnOfGroups(
    'duplicates',
    report.duplicates,
    `${counted(report.duplicates.count, 'picture is', 'pictures are')} there more than once: copies count as often as they are there, and stay in one split`,
  );
  warnOfGroups(
    'near_duplicates',
    report.near_duplicates,
    `${counted(report.near_duplicates.count, 'pair of images looks', 'pairs of images look')} alike; where both are one photo, keep one of them`,
  );
  if (small.count > 0) {
    warn(
      'small_images',
      `${counted(small.count, 'image is', 'images are')} smaller than the model's input of ${small.minimum[0]} x ${small.minimum[1]} and must be enlarged: larger ones tell more`,
      { count: small.count, minimum: small.minimum, files: small.examples.slice(0, 10) },
    );
  }
  return warnings;
}

/** Names that differ alone in capitals, accents, the form of their letters, or what separates their words. */
function namesAlike(names: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const key = name
      .normalize('NFKD')
      .toLowerCase()
      .replaceAll(/\p{M}/gu, '')
      .replaceAll(/(?<=[\p{L}\p{N}])[\s_-]+(?=[\p{L}\p{N}])/gu, ' ');
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
