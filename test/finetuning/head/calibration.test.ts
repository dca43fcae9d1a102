import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { calibrationOf, fitTemperature, foldTemperature } from '../../../src/finetuning/head/calibration.ts';
import { softmaxRows } from '../../../src/finetuning/head/softmax.ts';

const CLASSES = 5;

/** Logits whose softmax is the true distribution of their labels, multiplied by `overconfidence`. */
function draw(count: number, overconfidence: number) {
  const random = seededRandom(1);
  const honest = Float32Array.from({ length: count * CLASSES }, () => 1.5 * random.normal());
  const probabilities = softmaxRows(honest, CLASSES);
  const labels = Int32Array.from({ length: count }, (_, row) => {
    let label = 0;
    for (let left = random.next(); label < CLASSES - 1; label++) {
      left -= probabilities[row * CLASSES + label] ?? 0;
      if (left < 0) break;
    }
    return label;
  });
  return { logits: honest.map((logit) => logit * overconfidence), labels, classes: CLASSES };
}

describe('fitTemperature', () => {
  it.each([0.5, 1, 3])('finds the temperature of logits that are %d times too large', (factor) => {
    expect(fitTemperature(draw(4000, factor)) / factor).toBeCloseTo(1, 1);
  });

  it('lowers the calibration error and does not change the predictions', () => {
    const held = draw(4000, 3);
    const before = calibrationOf(softmaxRows(held.logits, CLASSES), held.labels, CLASSES);
    const temperature = fitTemperature(held);
    const scaled = held.logits.map((logit) => logit / temperature);
    const after = calibrationOf(softmaxRows(scaled, CLASSES), held.labels, CLASSES);
    expect(before.error).toBeGreaterThan(0.15);
    expect(after.error).toBeLessThan(0.03);
  });

  it('does not make a model certain because a few predictions are right', () => {
    const right = { logits: Float32Array.of(2, 0, 0, 2, 2, 0), labels: Int32Array.of(0, 1, 0), classes: 2 };
    const temperature = fitTemperature(right);
    // Three of three are right: the next is right with a probability of 4 in 5.
    expect(softmaxRows(Float32Array.of(2 / temperature, 0), 2)[0]).toBeCloseTo(0.8);
  });

  it('is 1 without images', () => {
    expect(fitTemperature({ logits: new Float32Array(0), labels: new Int32Array(0), classes: 3 })).toBe(1);
  });
});

describe('foldTemperature', () => {
  it('divides the logits by the temperature, in the last layer', () => {
    const layer = { inputs: 1, outputs: 2, weight: Float32Array.of(2, 4), bias: Float32Array.of(6, 8) };
    const [first, last] = foldTemperature([layer, layer], 2);
    expect(first).toEqual(layer);
    expect(last).toEqual({ ...layer, weight: Float32Array.of(1, 2), bias: Float32Array.of(3, 4) });
  });
});

describe('calibrationOf', () => {
  it('averages the difference between confidence and accuracy over 15 bins', () => {
    // Four predictions with confidence 0.9, half of them right; one with confidence 1, right.
    const probabilities = Float32Array.of(0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 1, 0);
    const { error, bins } = calibrationOf(probabilities, Int32Array.of(0, 0, 1, 1, 0), 2);
    expect(error).toBeCloseTo((4 * 0.4) / 5);
    expect(bins).toHaveLength(15);
    const filled = bins.filter(({ count }) => count > 0);
    expect(filled.map(({ count, accuracy }) => [count, accuracy])).toEqual([
      [4, 0.5],
      [1, 1],
    ]);
    expect(filled[0]?.low).toBeCloseTo(13 / 15);
    expect(filled[0]?.confidence).toBeCloseTo(0.9);
  });
});
