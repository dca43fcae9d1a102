import type { Concept } from '../../registry/concept-graph.ts';
import type { ClassConcept } from './class-synsets.ts';
import type { Dataset } from './dataset.ts';
import type { DatasetWarning, LabelledFile, UnusedReason } from './dataset-layout.ts';
import type { SplitOptions } from './dataset-split.ts';
import type { Duplicates } from './duplicates.ts';
import type { DatasetImage, InspectedImage, UnreadableImage } from './inspected-image.ts';
import { nearDuplicates } from './near-duplicates.ts';
import type {
  PreflightReport,
  ReportedClass,
  ReportedConcept,
  ReportedFile,
  ReportedGroups,
} from './preflight-report.ts';
import { preflightWarnings } from './preflight-warnings.ts';
import type { Split } from './split-names.ts';

/** Longest list of examples for one finding. */
const MAX_EXAMPLES = 100;
const MAX_IGNORED_EXAMPLES = 5;

/** Input of `buildPreflightReport`. */
export interface Findings {
  readonly dataset: Dataset;
  /** Of the classes, in their order. */
  readonly concepts: readonly ClassConcept[];
  readonly inspected: readonly InspectedImage[];
  readonly images: readonly DatasetImage[];
  readonly negatives: readonly DatasetImage[];
  readonly unreadable: readonly UnreadableImage[];
  readonly duplicates: Duplicates<InspectedImage>;
  readonly split: SplitOptions;
  /** Height and width of the model's input in pixels. */
  readonly inputSize: readonly [height: number, width: number];
}

/** Builds the report of the inspection of a data set. */
export function buildPreflightReport(findings: Findings): PreflightReport {
  const { dataset, concepts, inspected, images, negatives, unreadable, duplicates, split, inputSize } = findings;
  const classes = countByClass(dataset.classes, images).map((counts, index) => ({
    ...counts,
    ...reportedConcept(concepts[index]),
  }));
  const sum = (key: 'images' | Split): number => classes.reduce((total, counts) => total + counts[key], 0);
  const sizes = classes.map((counts) => counts.images);
  const smallest = Math.min(...sizes);
  const splits = { train: sum('train'), validation: sum('validation'), test: sum('test') };
  const report = {
    layout: dataset.layout,
    will_train:
      `${splits.train} images of ${classes.length} classes train the head, ${splits.validation} decide when training ` +
      `stops, ${splits.test} are for the test`,
    classes,
    images: {
      labelled: dataset.files.length + dataset.negatives.length,
      unreadable: unreadable.length,
      left_out: dataset.files.length + dataset.negatives.length - unreadable.length - images.length - negatives.length,
      used: images.length,
      ...(negatives.length > 0 && { negative: negatives.length }),
      ...splits,
    },
    imbalance: smallest === 0 ? null : Math.round((Math.max(...sizes) / smallest) * 100) / 100,
    split: { seed: split.seed, validation_share: split.validationShare, test_share: split.testShare },
    unreadable: { count: unreadable.length, examples: unreadable.slice(0, MAX_EXAMPLES) },
    ignored: ignoredByReason(dataset),
    missing: { count: dataset.missing.length, examples: dataset.missing.slice(0, MAX_EXAMPLES) },
    duplicates: groupsOf(duplicates.harmless),
    conflicting_labels: groupsOf(duplicates.conflicting),
    leakage: groupsOf(duplicates.leaking),
    near_duplicates: groupsOf(nearDuplicates(inspected, MAX_EXAMPLES)),
    small_images: smallImages(images, inputSize),
  };
  return { ...report, warnings: [...dataset.warnings, ...preflightWarnings(report), ...withoutEnd(inspected)] };
}

/** JPEGs that were not wholly written, or lost their last bytes, but have all their rows. */
function withoutEnd(inspected: readonly InspectedImage[]): DatasetWarning[] {
  const files = inspected.filter((image) => image.withoutEnd).map(({ file }) => file.name);
  if (files.length === 0) return [];
  const message =
    `${files.length} JPEG ${files.length === 1 ? 'image lacks its' : 'images lack their'} end marker, but no rows: ` +
    'they are used; check whether their copying was interrupted';
  return [{ code: 'jpeg_without_end', message, context: { count: files.length, files: files.slice(0, 10) } }];
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

function reportedConcept(of: ClassConcept | undefined): Pick<ReportedClass, 'concept' | 'suggestions'> {
  if (of?.synset !== undefined && of.source !== undefined) {
    return { concept: { synset: of.synset, ...(of.concept && described(of.concept)), from: of.source } };
  }
  return of === undefined || of.suggestions.length === 0 ? {} : { suggestions: of.suggestions.map(described) };
}

function described({ synset, label, gloss }: Concept): ReportedConcept {
  return { synset, label, ...(gloss !== undefined && { gloss }) };
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
