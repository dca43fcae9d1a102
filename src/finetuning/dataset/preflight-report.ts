import { AppError } from '../../common/errors.ts';
import type { Dataset } from './dataset.ts';
import type { LabelledFile, Split, UnusedReason } from './dataset-layout.ts';
import type { Duplicates } from './duplicates.ts';
import { nearDuplicates } from './near-duplicates.ts';
import type { DatasetImage, InspectedImage, PreflightOptions, UnreadableImage } from './preflight.ts';
import { preflightWarnings } from './preflight-warnings.ts';

/** Fewer images than these teach nothing that could be measured. */
export const MIN_CLASSES = 2;
export const MIN_IMAGES_PER_CLASS = 5;

/** Longest list of files that the report gives for one finding; counts are always whole. */
const MAX_EXAMPLES = 100;
const MAX_IGNORED_EXAMPLES = 5;

/** An image as the report names it. */
interface ReportedFile {
  readonly file: string;
  readonly label: string;
  /** As the data set gives it. */
  readonly split?: Split;
}

/** Files that belong together, each list being one group; `count` groups in all. */
export interface ReportedGroups {
  readonly count: number;
  readonly examples: readonly (readonly ReportedFile[])[];
}

/** A finding that does not stop the training. */
export interface PreflightWarning {
  readonly code: string;
  readonly message: string;
  readonly context: Readonly<Record<string, unknown>>;
}

/**
 * What was found in a data set, as the document that clients read: hence in the words and the spelling of the API.
 * Lists of examples are cut, counts are not.
 */
export interface PreflightReport {
  readonly layout: Dataset['layout'];
  /** What the training would do, in a sentence. */
  readonly will_train: string;
  /** Images that will be used, in all and by split. */
  readonly classes: readonly ({ readonly name: string; readonly images: number } & Readonly<Record<Split, number>>)[];
  readonly images: {
    readonly labelled: number;
    readonly unreadable: number;
    /** Readable, but contradictory or on both sides of a split. */
    readonly left_out: number;
    readonly used: number;
  } & Readonly<Record<Split, number>>;
  /** Images of the largest class over those of the smallest; null when a class has none. */
  readonly imbalance: number | null;
  readonly split: { readonly seed: number; readonly validation_share: number; readonly test_share: number };
  readonly unreadable: { readonly count: number; readonly examples: readonly UnreadableImage[] };
  readonly ignored: {
    readonly count: number;
    readonly reasons: readonly {
      readonly reason: UnusedReason;
      readonly count: number;
      readonly examples: readonly string[];
    }[];
  };
  /** Rows of labels.csv whose file is not there. */
  readonly missing: { readonly count: number; readonly examples: readonly string[] };
  /** Exact copies under one label on one side. */
  readonly duplicates: ReportedGroups;
  /** Exact copies under several labels. */
  readonly conflicting_labels: ReportedGroups;
  /** Exact copies in several of the data set's own splits. */
  readonly leakage: ReportedGroups;
  /** Pairs that look alike; `count` is at most the number of examples that are shown. */
  readonly near_duplicates: ReportedGroups;
  /** Images that must be enlarged to the model's input. */
  readonly small_images: {
    readonly count: number;
    readonly minimum: readonly [height: number, width: number];
    readonly examples: readonly { readonly file: string; readonly width: number; readonly height: number }[];
  };
  readonly warnings: readonly PreflightWarning[];
}

/** What the report is made of. */
export interface Findings {
  readonly dataset: Dataset;
  readonly inspected: readonly InspectedImage[];
  readonly images: readonly DatasetImage[];
  readonly unreadable: readonly UnreadableImage[];
  readonly duplicates: Duplicates<InspectedImage>;
  readonly options: Pick<PreflightOptions, 'split' | 'inputSize'>;
}

/** Writes the report. */
export function buildReport(findings: Findings): PreflightReport {
  const { dataset, inspected, images, unreadable, duplicates, options } = findings;
  const classes = countByClass(dataset.classes, images);
  const sum = (key: 'images' | Split): number => classes.reduce((total, counts) => total + counts[key], 0);
  const sizes = classes.map((counts) => counts.images);
  const smallest = Math.min(...sizes);
  const splits = { train: sum('train'), validation: sum('validation'), test: sum('test') };
  const report = {
    layout: dataset.layout,
    will_train:
      `${splits.train} images of ${classes.length} classes train the head, ${splits.validation} decide when to stop, ` +
      `${splits.test} are kept for the report`,
    classes,
    images: {
      labelled: dataset.files.length,
      unreadable: unreadable.length,
      left_out: inspected.length - images.length,
      used: images.length,
      ...splits,
    },
    imbalance: smallest === 0 ? null : Math.round((Math.max(...sizes) / smallest) * 100) / 100,
    split: {
      seed: options.split.seed,
      validation_share: options.split.validationShare,
      test_share: options.split.testShare,
    },
    unreadable: { count: unreadable.length, examples: unreadable.slice(0, MAX_EXAMPLES) },
    ignored: ignoredByReason(dataset),
    missing: { count: dataset.missing.length, examples: dataset.missing.slice(0, MAX_EXAMPLES) },
    duplicates: groupsOf(duplicates.harmless),
    conflicting_labels: groupsOf(duplicates.conflicting),
    leakage: groupsOf(duplicates.leaking),
    near_duplicates: groupsOf(nearDuplicates(inspected, MAX_EXAMPLES)),
    small_images: smallImages(images, options.inputSize),
  };
  return { ...report, warnings: preflightWarnings(report) };
}

/** @throws AppError `dataset_too_small` when the report shows too few classes or a class with too few images */
export function refuseTooSmall(report: PreflightReport): void {
  const problems: string[] = [];
  if (report.classes.length < MIN_CLASSES) {
    problems.push(`there is one class, ${JSON.stringify(report.classes[0]?.name)}: at least ${MIN_CLASSES} are needed`);
  }
  const short = report.classes.filter(({ images }) => images < MIN_IMAGES_PER_CLASS);
  if (short.length > 0) {
    const listed = short.slice(0, 10).map(({ name, images }) => `${JSON.stringify(name)} has ${images}`);
    const more = short.length > listed.length ? ` and ${short.length - listed.length} classes more have too few` : '';
    problems.push(
      `every class needs at least ${MIN_IMAGES_PER_CLASS} images that can be used: ${listed.join(', ')}${more}`,
    );
  }
  const untrained = report.classes.filter(({ images, train }) => images >= MIN_IMAGES_PER_CLASS && train === 0);
  if (untrained.length > 0) {
    const names = untrained.slice(0, 10).map(({ name }) => JSON.stringify(name));
    problems.push(`every class needs training images: ${names.join(', ')} lies in the other splits alone`);
  }
  if (problems.length === 0) return;
  throw new AppError('dataset_too_small', problems.join('; '), {
    context: {
      minimum_classes: MIN_CLASSES,
      minimum_images_per_class: MIN_IMAGES_PER_CLASS,
      classes: Object.fromEntries(short.map(({ name, images }) => [name, images])),
      preflight: report,
    },
  });
}

function countByClass(names: readonly string[], images: readonly DatasetImage[]) {
  const classes = names.map((name) => ({ name, images: 0, train: 0, validation: 0, test: 0 }));
  for (const { classIndex, split } of images) {
    const counts = classes[classIndex];
    if (counts === undefined) throw new Error(`there is no class ${classIndex}`);
    counts.images += 1;
    counts[split] += 1;
  }
  return classes;
}

function ignoredByReason({ unused }: Dataset): PreflightReport['ignored'] {
  const names = new Map<UnusedReason, string[]>();
  for (const { name, reason } of unused) {
    const others = names.get(reason);
    if (others === undefined) names.set(reason, [name]);
    else others.push(name);
  }
  const reasons = [...names].map(([reason, files]) => ({
    reason,
    count: files.length,
    examples: files.slice(0, MAX_IGNORED_EXAMPLES),
  }));
  return { count: unused.length, reasons: reasons.sort((a, b) => b.count - a.count) };
}

function groupsOf(groups: readonly (readonly LabelledFile[])[]): ReportedGroups {
  const reported = ({ file, label, split }: LabelledFile): ReportedFile => ({
    file: file.name,
    label,
    ...(split === undefined ? {} : { split }),
  });
  return {
    count: groups.length,
    examples: groups.slice(0, MAX_EXAMPLES).map((group) => group.slice(0, MAX_EXAMPLES).map(reported)),
  };
}

function smallImages(
  images: readonly DatasetImage[],
  minimum: readonly [height: number, width: number],
): PreflightReport['small_images'] {
  const small = images.filter(({ height, width }) => height < minimum[0] || width < minimum[1]);
  return {
    count: small.length,
    minimum,
    examples: small.slice(0, MAX_EXAMPLES).map(({ file, width, height }) => ({ file: file.name, width, height })),
  };
}
