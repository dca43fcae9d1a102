import { type Score, scoreOf } from './confidence-interval.ts';
import { argmaxRows } from './softmax.ts';

/** Predictions for labelled images. */
export interface Predictions {
  /** `[n, classes]`, each row sums to 1. */
  readonly probabilities: Float32Array;
  /** `[n]`, each in 0..classes-1. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** `[n]`, name of each image in the report. */
  readonly ids: readonly string[];
}

/**
 * Scores of one class. The precision of a class that is never predicted and the recall of one without images are 0.
 */
export interface ClassScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Number of images of the class. */
  readonly support: number;
}

/** Images of one class that were predicted as another. */
export interface Confusion {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
  /** `count` divided by the number of images of class `label`. */
  readonly share: number;
  /** Ids of some of them, by descending confidence. */
  readonly examples: readonly string[];
}

/** A labelled image and its prediction. */
export interface JudgedImage {
  readonly id: string;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the predicted class. */
  readonly confidence: number;
}

/** Some of the images in one cell of the confusion matrix. */
export interface ConfusionCell {
  readonly label: number;
  readonly predicted: number;
  /** By descending confidence. */
  readonly examples: readonly { readonly id: string; readonly confidence: number }[];
}

/** Evaluation of a model on labelled images. */
export interface Evaluation extends Score {
  /** Number of images. */
  readonly count: number;
  /** Mean F1 over the classes that have images. */
  readonly macroF1: number;
  /** `confusion[label][predicted]`: number of images. */
  readonly confusion: readonly (readonly number[])[];
  /** Examples for the cells of `confusion`: wrong predictions first, then by descending number of images. */
  readonly cells: readonly ConfusionCell[];
  readonly perClass: readonly ClassScore[];
  /** By descending number of images. */
  readonly confusedPairs: readonly Confusion[];
  /** Images with the least confident predictions, right or wrong, by ascending confidence. */
  readonly leastCertain: readonly JudgedImage[];
  /** Images with the most confident wrong predictions, by descending confidence. */
  readonly worstMistakes: readonly JudgedImage[];
}

/** Most entries in a list of pairs or images. */
const MAX_EXAMPLES = 12;
/** Most examples of a pair of classes. */
const MAX_EXAMPLES_PER_PAIR = 4;
/** Most examples of a cell of the confusion matrix, and of all cells together. */
const MAX_EXAMPLES_PER_CELL = 6;
const MAX_CELL_EXAMPLES = 240;

/** Evaluates predictions, of which there must be at least one. */
export function evaluate({ probabilities, labels, classes, ids }: Predictions): Evaluation {
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
    ...scoreOf(correct, labels.length),
    macroF1: seen.reduce((sum, { f1 }) => sum + f1, 0) / seen.length,
    confusion,
    cells: confusionCells(judged),
    perClass,
    confusedPairs: confusedPairs(confusion, mistakes),
    leastCertain: judged.toSorted((a, b) => a.confidence - b.confidence).slice(0, MAX_EXAMPLES),
    worstMistakes: mistakes.slice(0, MAX_EXAMPLES),
  };
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

/** @param mistakes by descending confidence */
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
