import { AppError } from '../../common/errors.ts';
import type { Dataset } from './dataset.ts';
import type { PreflightReport } from './preflight-report.ts';

/** With less than this nothing can be learned that could be measured. */
const MIN_CLASSES = 2;
const MIN_IMAGES_PER_CLASS = 5;

/** Longest list of classes in a message. */
const MAX_NAMED = 10;

/**
 * Refuses a data set that is too small even if every image can be used.
 * @throws AppError `dataset_too_small`
 */
export function refuseTooFewFiles({ classes, files }: Dataset): void {
  const counts = new Map<string, number>();
  for (const { label } of files) counts.set(label, (counts.get(label) ?? 0) + 1);
  const problems = tooFew(classes.map((name) => ({ name, images: counts.get(name) ?? 0 })));
  if (problems.length > 0) throw tooSmall(problems, {});
}

/**
 * Refuses a data set in which too few images can be used.
 * @throws AppError `dataset_too_small`, with the report in its context
 */
export function refuseTooFewImages(report: PreflightReport): void {
  const { classes } = report;
  const problems = tooFew(classes);
  const untrained = classes.filter(({ images, train }) => images >= MIN_IMAGES_PER_CLASS && train === 0);
  if (untrained.length > 0) {
    problems.push(`every class needs training images, but there are none in ${named(untrained)}`);
  }
  if (problems.length === 0) return;
  const short = classes.filter(isShort).map(({ name, images }) => [name, images]);
  throw tooSmall(problems, { classes: Object.fromEntries(short), preflight: report });
}

interface ClassSize {
  readonly name: string;
  readonly images: number;
}

function isShort({ images }: ClassSize): boolean {
  return images < MIN_IMAGES_PER_CLASS;
}

function tooFew(classes: readonly ClassSize[]): string[] {
  const problems: string[] = [];
  if (classes.length < MIN_CLASSES) {
    problems.push(`at least ${MIN_CLASSES} classes are needed, but there is only ${named(classes)}`);
  }
  const short = classes.filter(isShort);
  if (short.length > 0) {
    const listed = short.slice(0, MAX_NAMED).map(({ name, images }) => `${JSON.stringify(name)} has ${images}`);
    const more = short.length > MAX_NAMED ? `, and ${short.length - MAX_NAMED} more classes have too few` : '';
    problems.push(
      `every class needs at least ${MIN_IMAGES_PER_CLASS} images that can be used, but ${listed.join(', ')}${more}`,
    );
  }
  return problems;
}

function named(classes: readonly ClassSize[]): string {
  const names = classes.slice(0, MAX_NAMED).map(({ name }) => JSON.stringify(name));
  return `${names.join(', ')}${classes.length > MAX_NAMED ? ` and ${classes.length - MAX_NAMED} more` : ''}`;
}

function tooSmall(problems: readonly string[], context: Readonly<Record<string, unknown>>): AppError {
  return new AppError('dataset_too_small', problems.join('; '), {
    context: { minimum_classes: MIN_CLASSES, minimum_images_per_class: MIN_IMAGES_PER_CLASS, ...context },
  });
}
