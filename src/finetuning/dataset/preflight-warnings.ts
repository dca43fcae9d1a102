import type { DatasetWarning } from './dataset-layout.ts';
import type { PreflightReport, ReportedGroups } from './preflight-report.ts';

/** With fewer images, the report's figures for a class are rough, and a few bad images matter. */
const FEW_IMAGES_PER_CLASS = 50;
/** With more, the larger class is predicted too often. */
const MAX_IMBALANCE = 2;

/** The findings of a report that call for action, with the action. */
export function preflightWarnings(report: Omit<PreflightReport, 'warnings'>): DatasetWarning[] {
  const warnings: DatasetWarning[] = [];
  const warn = (code: string, message: string, context: DatasetWarning['context']): void => {
    warnings.push({ code, message, context });
  };

  const few = report.classes.filter(({ images }) => images < FEW_IMAGES_PER_CLASS);
  if (few.length > 0) {
    warn(
      'few_images',
      `${counted(few.length, 'class has', 'classes have')} fewer than ${FEW_IMAGES_PER_CLASS} images: add more`,
      { minimum: FEW_IMAGES_PER_CLASS, classes: Object.fromEntries(few.map(({ name, images }) => [name, images])) },
    );
  }
  if (report.imbalance !== null && report.imbalance > MAX_IMBALANCE) {
    const bySize = [...report.classes].sort((a, b) => a.images - b.images);
    warn(
      'imbalance',
      `the largest class has ${report.imbalance} times as many images as the smallest: ` +
        'add images to small classes, or set class_weights=balanced to give them more weight',
      { ratio: report.imbalance, smallest: bySize[0]?.name, largest: bySize.at(-1)?.name },
    );
  }
  const alike = namesAlike(report.classes.map(({ name }) => name));
  if (alike.length > 0) {
    warn(
      'class_names_alike',
      `names of classes are alike: ${alike
        .slice(0, 3)
        .map((names) => names.map((name) => JSON.stringify(name)).join(' and '))
        .join('; ')}; if they mean the same class, use one name`,
      { groups: alike.slice(0, 10) },
    );
  }
  const strange = report.classes.filter(({ concept }) => concept !== undefined && concept.label === undefined);
  if (strange.length > 0) {
    warn(
      'synset_not_known',
      `the zoo does not know the ${strange.length === 1 ? 'synset' : 'synsets'} ${strange
        .slice(0, 3)
        .map(({ name, concept }) => `${concept?.synset} of ${JSON.stringify(name)}`)
        .join(', ')}: it knows the 1,000 classes of ImageNet-1k and Tiny ImageNet and all above them, so nothing is ` +
        'above such a class in an answer; give a synset above it, if that says enough',
      { classes: Object.fromEntries(strange.slice(0, 20).map(({ name, concept }) => [name, concept?.synset])) },
    );
  }
  const { unreadable, small_images: small } = report;
  if (unreadable.count > 0) {
    warn('unreadable', `${counted(unreadable.count, 'image', 'images')} cannot be read and will not be used`, {
      count: unreadable.count,
      files: unreadable.examples.slice(0, 10),
    });
  }
  const warnOfGroups = (code: string, { count, examples }: ReportedGroups, message: string): void => {
    if (count > 0) warn(code, message, { count, examples: examples.slice(0, 5) });
  };
  warnOfGroups(
    'conflicting_labels',
    report.conflicting_labels,
    `${counted(report.conflicting_labels.count, 'image has', 'images have')} copies with other labels; ` +
      'none of the copies will be used: keep only those with the right label',
  );
  warnOfGroups(
    'leakage',
    report.leakage,
    `${counted(report.leakage.count, 'image has', 'images have')} copies in several splits: ` +
      'only the copy in the test split, or else in the validation split, will be used',
  );
  warnOfGroups(
    'duplicates',
    report.duplicates,
    `${counted(report.duplicates.count, 'image has', 'images have')} exact copies: all are used, in the same split`,
  );
  warnOfGroups(
    'near_duplicates',
    report.near_duplicates,
    `${counted(report.near_duplicates.count, 'pair of images looks', 'pairs of images look')} alike: ` +
      'if both show the same photo, keep one of them',
  );
  if (small.count > 0) {
    warn(
      'small_images',
      `${counted(small.count, 'image is', 'images are')} smaller than the model's input of ` +
        `${small.minimum[0]} x ${small.minimum[1]} pixels and must be enlarged: use larger images if you have them`,
      { count: small.count, minimum: small.minimum, files: small.examples.slice(0, 10) },
    );
  }
  return warnings;
}

/** Groups of names that differ only in capitals, accents, the form of their letters, or the separators of words. */
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
