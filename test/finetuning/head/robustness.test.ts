import { describe, expect, test } from 'vitest';
import { type CorruptedAnswer, RobustnessTally } from '../../../src/finetuning/head/robustness.ts';
import { CORRUPTIONS, SEVERITIES } from '../../../src/image/corruptions/corrupt.ts';

/** Answers to every corruption of one image, of which `isRight` says which are right. */
function tallied(
  isRight: (answer: Pick<CorruptedAnswer, 'corruption' | 'severity'>) => boolean,
  image: Partial<CorruptedAnswer> = {},
  tally = new RobustnessTally(),
): RobustnessTally {
  for (const corruption of CORRUPTIONS) {
    for (const severity of SEVERITIES) {
      const predicted = isRight({ corruption, severity }) ? 1 : 2;
      const confidence = severity / 10;
      tally.add({ corruption, severity, id: 'a.jpg', label: 1, predicted, confidence, rightBefore: true, ...image });
    }
  }
  return tally;
}

describe('the robustness of a model', () => {
  test('is the mean accuracy over corruptions and severities, also as an error and as a share of the clean accuracy', () => {
    const result = tallied(({ severity }) => severity <= 2).result(0.8);
    expect(result).toMatchObject({ images: 1, accuracy: 0.8 });
    expect(result?.corruptedAccuracy).toBeCloseTo(0.4);
    expect(result?.meanCorruptionError).toBeCloseTo(0.6);
    expect(result?.relativeRobustness).toBeCloseTo(0.5);
  });

  test('is told by corruption, the weakest first, and by severity', () => {
    const result = tallied(({ corruption, severity }) => corruption !== 'fog' || severity === 1).result(1);
    expect(result?.corruptions).toHaveLength(CORRUPTIONS.length);
    expect(result?.corruptions[0]).toEqual({ corruption: 'fog', accuracy: 0.2, bySeverity: [1, 0, 0, 0, 0] });
    expect(result?.corruptions[1]?.accuracy).toBe(1);
  });

  test('has no share of a clean accuracy of 0', () => {
    expect(tallied(() => false).result(0)?.relativeRobustness).toBeUndefined();
  });

  test('is unknown as long as a corruption was not tested', () => {
    const tally = new RobustnessTally();
    tally.add({ corruption: 'fog', severity: 1, id: 'a', label: 1, predicted: 1, confidence: 1, rightBefore: true });
    expect(tally.result(1)).toBeUndefined();
  });
});

describe('the worst mistakes', () => {
  test('are the most confident ones, and no more than two of a corruption', () => {
    const worst = tallied(({ corruption }) => corruption !== 'fog' && corruption !== 'rotation').result(1)?.worst ?? [];
    expect(worst.map(({ corruption, confidence }) => [corruption, confidence])).toEqual([
      ['fog', 0.5],
      ['rotation', 0.5],
      ['fog', 0.4],
      ['rotation', 0.4],
    ]);
  });

  test('leave out images that are answered wrongly as they are', () => {
    const tally = tallied(() => false, { id: 'hard.jpg', confidence: 1, rightBefore: false });
    const worst = tallied(() => false, { id: 'easy.jpg' }, tally).result(0.5)?.worst ?? [];
    expect(new Set(worst.map(({ id }) => id))).toEqual(new Set(['easy.jpg']));
    expect(worst).toHaveLength(12);
  });
});
