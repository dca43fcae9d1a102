import { describe, expect, it } from 'vitest';
import { buildTrainingReport, type TestResult } from '../../../src/finetuning/report/report.ts';
import { reportInput } from './report-fixture.ts';

const input = reportInput({ perClass: 60 });
/** The fixture's model is right about 85 times in 100. */
function judged(test: Partial<TestResult>, rest: Partial<typeof input> = {}) {
  return buildTrainingReport({ ...input, ...rest, test: { ...input.test, ...test } });
}
const score = (accuracy: number) => ({ accuracy, interval: { low: accuracy, high: accuracy } });
const levelOf = (report: ReturnType<typeof judged>, text: RegExp) =>
  report.verdict.find((finding) => text.test(finding.text))?.level;

describe('the verdict', () => {
  it('begins with how often the model is right, and how sure that is', () => {
    const [first] = judged({}).verdict;
    expect(first?.level).toBe('good');
    expect(first?.text).toMatch(
      /^flowers is right on 8\d\.\d% of 240 test images .* between 8\d\.\d% and \d\d\.\d%\.$/,
    );
  });

  it.each([
    ['good', 0.5, 0.5],
    ['bad', 0.99, 0.99],
  ])('is %s against rivals that are right with a share of %d', (level, majority, nearest) => {
    const report = judged({
      baselines: { majorityClass: { label: 2, ...score(majority) }, nearestNeighbours: score(nearest) },
    });
    expect(levelOf(report, /always answering “sunflower”/)).toBe(level);
    expect(levelOf(report, /most similar training images/)).toBe(level);
  });

  it.each([
    ['good', 0.5, /better than version 2/],
    ['bad', 0.99, /worse than version 2/],
  ])('is %s against a version that is right with a share of %d', (level, accuracy, text) => {
    expect(levelOf(judged({ current: { model: 'flowers', version: 2, accuracy } }), text)).toBe(level);
  });

  it('names what is confused, and what to do about it', () => {
    const { verdict, next_steps } = judged({});
    expect(verdict.some(({ text }) => /takes “rose” for “tulip” most often: \d+ of 60 images/.test(text))).toBe(true);
    expect(next_steps[0]).toMatch(/Look at the images of “rose” that were taken for “tulip”/);
  });

  it('calls a figure rough that rests on few images', () => {
    const few = buildTrainingReport(reportInput({ perClass: 8 }));
    expect(levelOf(few, /The figure is rough: 32 test images/)).toBe('caution');
    expect(few.next_steps.some((step) => step.startsWith('Test on more images'))).toBe(true);
    expect(levelOf(judged({}), /rough/)).toBeUndefined();
  });

  it('says when no threshold helps', () => {
    const unknown = { threshold: 0, target: 0.9, reached: false };
    expect(levelOf(judged({ unknown }), /No threshold for “unknown”/)).toBe('caution');
  });

  it('warns of confidences that mislead', () => {
    const { before, after } = input.test.calibration;
    const report = judged({ calibration: { before, after: { ...after, error: 0.2 } } });
    expect(levelOf(report, /miss the truth by 20\.0%/)).toBe('caution');
  });

  it('warns of look-alikes, after which the figures are too kind', () => {
    const warnings = [{ code: 'near_duplicates', message: '3 pairs of images look alike', context: {} }];
    const report = judged({}, { preflight: { ...input.preflight, warnings } });
    expect(levelOf(report, /too kind: 3 pairs/)).toBe('caution');
  });

  it('advises longer training when the last epoch was the best, and more images when they were learnt by heart', () => {
    const { settings, layers } = input.training;
    const history = [{ epoch: 1, epochs: 1, loss: 0.1, accuracy: 1, valLoss: 1, valAccuracy: 0.6, learningRate: 0.01 }];
    const report = judged(
      {},
      { training: { settings: { ...settings, epochs: 1 }, history, bestEpoch: 1, retrained: false, layers } },
    );
    expect(report.next_steps).toContainEqual(expect.stringContaining('train for more epochs'));
    expect(report.next_steps).toContainEqual(expect.stringContaining('knows its training images better'));
  });

  it('does not guess without test images', () => {
    const report = buildTrainingReport({ ...input, test: undefined });
    expect(report.verdict).toMatchObject([{ level: 'bad' }]);
    expect(report.next_steps).toHaveLength(1);
  });
});
