import { describe, expect, it } from 'vitest';
import { judge, tune } from '../../src/training/judgement.ts';

/** Two classes; a logit of 4 for the answer, which is wrong for every fourth image. */
function overconfident(count: number) {
  const labels = Int32Array.from({ length: count }, (_, row) => row % 2);
  const logits = Float32Array.from(
    [...labels].flatMap((label, row) => ((row % 4 === 3 ? 1 - label : label) === 0 ? [4, 0] : [0, 4])),
  );
  return { logits, labels, classes: 2 };
}
const ids = (count: number) => Array.from({ length: count }, (_, row) => `${row}.jpg`);

describe('judge', () => {
  it('shows how far the temperature of the validation images helps the test images', () => {
    const { calibration, evaluation } = judge(overconfident(80), ids(80), tune(overconfident(400)));
    expect(evaluation.accuracy).toBe(0.75);
    expect(calibration.before.error).toBeCloseTo(0.982 - 0.75, 2);
    expect(calibration.after.error).toBeLessThan(0.01);
    expect(evaluation.worstMistakes[0]?.confidence).toBeCloseTo(0.75, 1);
  });

  it('applies the threshold of the validation images to the test images', () => {
    const { tuning, accepted, coverage } = judge(overconfident(80), ids(80), {
      temperature: 1,
      unknown: { threshold: 0.99, target: 0.9, reached: true },
    });
    expect(tuning.unknown.threshold).toBe(0.99);
    expect(accepted).toEqual({ threshold: 0.99, coverage: 0, accuracy: 0 });
    expect(coverage).toHaveLength(1);
  });
});

describe('tune', () => {
  it('changes nothing without validation images', () => {
    const none = { logits: new Float32Array(0), labels: new Int32Array(0), classes: 2 };
    expect(tune(none)).toMatchObject({ temperature: 1, unknown: { threshold: 0, reached: false } });
  });
});
