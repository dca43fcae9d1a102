import { argmaxRows } from './cross-entropy.ts';

/** Answers for images whose labels are known. */
export interface Answers {
  /** `[n, classes]`, each row sums to 1. */
  readonly probabilities: Float32Array;
  /** `[n]`, each in 0..classes-1. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** `[n]`, how the report names each image. */
  readonly ids: readonly string[];
}

/** Bounds in 0..1 between which a share lies with 95 % confidence. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** How one class fares. Shares without a denominator (a class never answered, or never seen) are 0. */
export interface ClassScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Images of the class. */
  readonly support: number;
}

/** Images of one class answered as another. */
export interface Confusion {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
  /** `count` over the images of the class `label`. */
  readonly share: number;
  /** Ids of some of them, most certain answer first. */
  readonly examples: readonly string[];
}

/** One image and its answer. */
export interface JudgedImage {
  readonly id: string;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the answer. */
  readonly confidence: number;
}

/** Some images of one class that got one and the same answer, right or wrong. */
export interface ConfusionCell {
  readonly label: number;
  readonly predicted: number;
  /** Most certain answer first. */
  readonly examples: readonly { readonly id: string; readonly confidence: number }[];
}

/** What held-out images say about a model. */
export interface Evaluation {
  readonly count: number;
  readonly accuracy: number;
  readonly interval: Interval;
  /** Mean F1 over the classes that have images. */
  readonly macroF1: number;
  /** `confusion[label][predicted]`, in images. */
  readonly confusion: readonly (readonly number[])[];
  /** The images behind the numbers of `confusion`: wrong answers first, the most frequent ones first. */
  readonly cells: readonly ConfusionCell[];
  readonly perClass: readonly ClassScore[];
  /** Most frequent first. */
  readonly confusedPairs: readonly Confusion[];
  /** Least certain answer first, right or wrong. */
  readonly leastCertain: readonly JudgedImage[];
  /** Wrong answers, most certain first. */
  readonly worstMistakes: readonly JudgedImage[];
}

/** Longest list of pairs or images that an evaluation gives. */
const MAX_EXAMPLES = 12;
/** Images shown for each pair of classes. */
const MAX_EXAMPLES_PER_PAIR = 4;
/** Images named for each cell of the confusion matrix, and for all of them together. */
const MAX_EXAMPLES_PER_CELL = 6;
const MAX_CELL_EXAMPLES = 240;

/** Judges answers, of which there is at least one. */
export function evaluate({ probabilities, labels, classes, ids }: Answers): Evaluation {
  const predicted = argmaxRows(probabilities, classes);
  const confusion = confusionMatrix(labels, predicted, classes);
  const perClass = confusion.map((_, label) => scoreClass(confusion, label));
  const seen = perClass.filter(({ support }) => support > 0);
  const correct = confusion.reduce((sum, row, label) => sum + (row[label] ?? 0), 0);
  const judged = ids.map((id, row): JudgedImage => {
    const answer = predicted[row] ?? 0;
    return { id, label: labels[row] ?? 0, predicted: answer, confidence: probabilities[row * classes + answer] ?? 0 };
  });
  const mistakes = judged
    .filter((image) => image.label !== image.predicted)
    .sort((a, b) => b.confidence - a.confidence);
  return {
    count: labels.length,
    accuracy: correct / labels.length,
    interval: wilsonInterval(correct, labels.length),
    macroF1: seen.reduce((sum, { f1 }) => sum + f1, 0) / seen.length,
    confusion,
    cells: confusionCells(judged),
    perClass,
    confusedPairs: confusedPairs(confusion, mistakes),
    leastCertain: judged.toSorted((a, b) => a.confidence - b.confidence).slice(0, MAX_EXAMPLES),
    worstMistakes: mistakes.slice(0, MAX_EXAMPLES),
  };
}

/** 95 % quantile of the standard normal distribution, two-sided. */
const Z = 1.959963984540054;

/**
 * Wilson's score interval (1927) for `successes` of `total`: unlike the textbook's normal one it stays within 0..1, and is
 * not of zero width when all or none succeed.
 */
export function wilsonInterval(successes: number, total: number): Interval {
  const share = successes / total;
  const spread = Z * Math.sqrt((share * (1 - share)) / total + (Z * Z) / (4 * total * total));
  const centre = share + (Z * Z) / (2 * total);
  const scale = 1 + (Z * Z) / total;
  return { low: Math.max(0, (centre - spread) / scale), high: Math.min(1, (centre + spread) / scale) };
}

function confusionMatrix(labels: Int32Array, predicted: Int32Array, classes: number): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, row) => {
    const counts = matrix[label];
    const answer = predicted[row];
    if (counts === undefined || answer === undefined) throw new Error(`there is no class ${label}`);
    counts[answer] = (counts[answer] ?? 0) + 1;
  });
  return matrix;
}

function scoreClass(confusion: readonly (readonly number[])[], label: number): ClassScore {
  const hits = confusion[label]?.[label] ?? 0;
  const support = (confusion[label] ?? []).reduce((sum, count) => sum + count, 0);
  const answered = confusion.reduce((sum, row) => sum + (row[label] ?? 0), 0);
  return {
    precision: answered === 0 ? 0 : hits / answered,
    recall: support === 0 ? 0 : hits / support,
    f1: support + answered === 0 ? 0 : (2 * hits) / (support + answered),
    support,
  };
}

/** @param mistakes most certain first */
function confusedPairs(confusion: readonly (readonly number[])[], mistakes: readonly JudgedImage[]): Confusion[] {
  return confusion
    .flatMap((row, label) => {
      const support = row.reduce((sum, count) => sum + count, 0);
      return row.map((count, predicted) => ({ label, predicted, count, share: count / support }));
    })
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count || b.share - a.share)
    .slice(0, MAX_EXAMPLES)
    .map((pair) => ({
      ...pair,
      examples: mistakes
        .filter(({ label, predicted }) => label === pair.label && predicted === pair.predicted)
        .slice(0, MAX_EXAMPLES_PER_PAIR)
        .map(({ id }) => id),
    }));
}

function confusionCells(judged: readonly JudgedImage[]): ConfusionCell[] {
  const byCell = new Map<string, JudgedImage[]>();
  for (const image of judged) {
    const key = `${image.label} ${image.predicted}`;
    const others = byCell.get(key);
    if (others === undefined) byCell.set(key, [image]);
    else others.push(image);
  }
  const isRight = ({ label, predicted }: Pick<JudgedImage, 'label' | 'predicted'>): number =>
    Number(label === predicted);
  let left = MAX_CELL_EXAMPLES;
  return [...byCell.values()]
    .flatMap((images) => (images[0] === undefined ? [] : [{ images, ...images[0] }]))
    .sort((a, b) => isRight(a) - isRight(b) || b.images.length - a.images.length)
    .map(({ label, predicted, images }) => {
      const shown = images
        .toSorted((a, b) => b.confidence - a.confidence)
        .slice(0, Math.min(MAX_EXAMPLES_PER_CELL, left));
      left -= shown.length;
      return { label, predicted, examples: shown.map(({ id, confidence }) => ({ id, confidence })) };
    })
    .filter(({ examples }) => examples.length > 0);
}
