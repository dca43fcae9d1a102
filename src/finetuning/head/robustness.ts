import { CORRUPTIONS, type Corruption, type CorruptionKind, SEVERITIES } from '../../image/corruptions/corrupt.ts';

/** The answer to a corrupted image. */
export interface CorruptedAnswer extends CorruptionKind {
  /** Name of the image. */
  readonly id: string;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the predicted class. */
  readonly confidence: number;
  /** Whether the answer to the image as it was is right. */
  readonly rightBefore: boolean;
}

/** Accuracy on images with one corruption. */
export interface CorruptionScore {
  readonly corruption: Corruption;
  /** Mean over the severities. */
  readonly accuracy: number;
  /** By severity, the mildest first. */
  readonly bySeverity: readonly number[];
}

/** How well a model answers corrupted images; shares in 0..1. */
export interface Robustness {
  /** Images that each corruption was tested on, at each severity. */
  readonly images: number;
  /** Accuracy on the images as they are. */
  readonly accuracy: number;
  /** Mean over the corruptions and severities. */
  readonly corruptedAccuracy: number;
  /**
   * `1 - corruptedAccuracy`: the mean corruption error of Hendrycks & Dietterich (2019), without their division by the
   * errors of AlexNet, which knows other classes.
   */
  readonly meanCorruptionError: number;
  /** `corruptedAccuracy / accuracy`; undefined when no answer is right. */
  readonly relativeRobustness: number | undefined;
  /** The corruption with the lowest accuracy first. */
  readonly corruptions: readonly CorruptionScore[];
  /** The most confident wrong answers to images that are answered right as they are. */
  readonly worst: readonly CorruptedAnswer[];
}

const MAX_WORST = 12;
/** So that they show different corruptions. */
const MAX_WORST_PER_CORRUPTION = 2;

/** Counts answers to corrupted images. */
export class RobustnessTally {
  readonly #right = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  /** The most confident mistakes of each corruption, in descending order. */
  readonly #worst = new Map<Corruption, CorruptedAnswer[]>();

  add(answer: CorruptedAnswer): void {
    const { corruption, severity, label, predicted, rightBefore } = answer;
    const cell = `${corruption} ${severity}`;
    const isRight = label === predicted;
    this.#counts.set(cell, (this.#counts.get(cell) ?? 0) + 1);
    this.#right.set(cell, (this.#right.get(cell) ?? 0) + Number(isRight));
    if (isRight || !rightBefore) return;
    const worst = [...(this.#worst.get(corruption) ?? []), answer].sort(byConfidence);
    this.#worst.set(corruption, worst.slice(0, MAX_WORST_PER_CORRUPTION));
  }

  /**
   * @param accuracy on the images as they are
   * @returns undefined unless every corruption was tested at every severity
   */
  result(accuracy: number): Robustness | undefined {
    const cells = CORRUPTIONS.flatMap((corruption) => SEVERITIES.map((severity) => `${corruption} ${severity}`));
    const images = Math.min(...cells.map((cell) => this.#counts.get(cell) ?? 0));
    if (images === 0) return undefined;
    const corruptions = CORRUPTIONS.map((corruption): CorruptionScore => {
      const bySeverity = SEVERITIES.map((severity) => {
        const cell = `${corruption} ${severity}`;
        return (this.#right.get(cell) ?? 0) / (this.#counts.get(cell) ?? 1);
      });
      return { corruption, accuracy: mean(bySeverity), bySeverity };
    });
    const corruptedAccuracy = mean(corruptions.map((score) => score.accuracy));
    return {
      images,
      accuracy,
      corruptedAccuracy,
      meanCorruptionError: 1 - corruptedAccuracy,
      relativeRobustness: accuracy > 0 ? corruptedAccuracy / accuracy : undefined,
      corruptions: corruptions.sort((a, b) => a.accuracy - b.accuracy),
      worst: [...this.#worst.values()].flat().sort(byConfidence).slice(0, MAX_WORST),
    };
  }
}

/** The more confident first; of equals, the order does not depend on which was answered first. */
function byConfidence(a: CorruptedAnswer, b: CorruptedAnswer): number {
  return b.confidence - a.confidence || a.id.localeCompare(b.id) || a.severity - b.severity;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
