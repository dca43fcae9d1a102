import { describe, expect, it } from 'vitest';
import { wilsonInterval } from '../../../src/finetuning/head/confidence-interval.ts';
import { evaluate } from '../../../src/finetuning/head/evaluation.ts';

/** Predictions for cats (0) and dogs (1), one in each row; there are no images of foxes (2). */
const answers = {
  classes: 3,
  ids: ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'e.jpg'],
  labels: Int32Array.of(0, 0, 0, 1, 1),
  probabilities: Float32Array.from(
    [
      [0.8, 0.1, 0.1],
      [0.6, 0.3, 0.1],
      [0.1, 0.9, 0], // a cat, classified as a dog with high confidence
      [0.2, 0.4, 0.4], // a tie: the lower index
      [0.3, 0.1, 0.6], // a dog, classified as a fox
    ].flat(),
  ),
};

describe('evaluate', () => {
  const result = evaluate(answers);

  it('counts images by true and predicted class', () => {
    expect(result.confusion).toEqual([
      [2, 1, 0],
      [0, 1, 1],
      [0, 0, 0],
    ]);
    expect(result.count).toBe(5);
    expect(result.accuracy).toBe(0.6);
  });

  it('scores each class and averages F1 over the classes that have images', () => {
    const [cat, dog, fox] = result.perClass;
    expect(cat).toEqual({ precision: 1, recall: 2 / 3, f1: 0.8, support: 3 });
    expect(dog).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5, support: 2 });
    expect(fox).toEqual({ precision: 0, recall: 0, f1: 0, support: 0 });
    expect(result.macroF1).toBeCloseTo(0.65);
  });

  it('lists confused pairs of classes with examples', () => {
    expect(result.confusedPairs).toEqual([
      { label: 1, predicted: 2, count: 1, share: 0.5, examples: ['e.jpg'] },
      { label: 0, predicted: 1, count: 1, share: 1 / 3, examples: ['c.jpg'] },
    ]);
  });

  it('gives examples for each cell of the confusion matrix, mistakes first', () => {
    const cells = result.cells.map(({ label, predicted, examples }) => [
      label,
      predicted,
      examples.map(({ id }) => id),
    ]);
    expect(cells).toEqual([
      [0, 1, ['c.jpg']],
      [1, 2, ['e.jpg']],
      [0, 0, ['a.jpg', 'b.jpg']],
      [1, 1, ['d.jpg']],
    ]);
  });

  it('lists the least certain and the most confident wrong predictions', () => {
    expect(result.leastCertain.map(({ id }) => id)).toEqual(['d.jpg', 'b.jpg', 'e.jpg', 'a.jpg', 'c.jpg']);
    expect(result.worstMistakes.map(({ id }) => id)).toEqual(['c.jpg', 'e.jpg']);
    expect(result.worstMistakes[0]).toMatchObject({ label: 0, predicted: 1 });
    expect(result.worstMistakes[0]?.confidence).toBeCloseTo(0.9);
  });
});

describe('wilsonInterval', () => {
  it('gives published values', () => {
    // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for (const [successes, total, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const) {
      const interval = wilsonInterval(successes, total);
      expect(interval.low).toBeCloseTo(low, 4);
      expect(interval.high).toBeCloseTo(high, 4);
    }
  });

  it('has a width when everything is right', () => {
    expect(wilsonInterval(10, 10).low).toBeLessThan(0.8);
    expect(wilsonInterval(10, 10).high).toBeCloseTo(1);
  });
});
