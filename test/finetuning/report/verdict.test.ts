import { describe, expect, it } from 'vitest';
import { defaultHyperparameters } from '../../../src/finetuning/head/hyperparameters.ts';
import type { TestResult } from '../../../src/finetuning/head/test-result.ts';
import { buildTrainingReport } from '../../../src/finetuning/report/report.ts';
import { reportInput } from './report-fixture.ts';

const input = reportInput({ perClass: 60 });
/** A report on the fixture's model, which classifies about 85 % of the images correctly. */
function judged(test: Partial<TestResult>, rest: Partial<typeof input> = {}) {
  return buildTrainingReport({ ...input, ...rest, test: { ...input.test, ...test } });
}
const score = (accuracy: number) => ({ accuracy, interval: { low: accuracy, high: accuracy } });
const levelOf = (report: ReturnType<typeof judged>, text: RegExp) =>
  report.verdict.find((finding) => text.test(finding.text))?.level;

describe('the verdict', () => {
  it('begins with the accuracy and its confidence interval', () => {
    const [first] = judged({}).verdict;
    expect(first?.level).toBe('good');
    expect(first?.text).toMatch(
      /^The model classifies 8\d\.\d% of 240 test images correctly.* between 8\d\.\d% and \d\d\.\d% \(95% confidence\)\.$/,
    );
  });

  it.each([
    ['good', 0.5, 0.5],
    ['bad', 0.99, 0.99],
  ])('is %s compared with simple methods with an accuracy of %d', (level, majority, nearest) => {
    const report = judged({
      baselines: {
        majorityClass: { label: 2, ...score(majority) },
        nearestNeighbours: score(nearest),
        prototypes: score(0),
      },
    });
    expect(levelOf(report, /always predicting the most common class, “sunflower”/)).toBe(level);
    expect(levelOf(report, /most similar training images/)).toBe(level);
  });

  it.each([
    ['good', 0.5, /better than version 2/],
    ['bad', 0.99, /worse than version 2/],
  ])('is %s compared with a version with an accuracy of %d', (level, accuracy, text) => {
    expect(levelOf(judged({}, { current: { model: 'flowers', version: 2, accuracy } }), text)).toBe(level);
  });

  it('names the most frequent mistake and what to do about it', () => {
    const { verdict, next_steps } = judged({});
    expect(verdict.some(({ text }) => /“rose” classified as “tulip” \(\d+ of 60 images\)/.test(text))).toBe(true);
    expect(next_steps[0]).toMatch(/Look at the images of “rose” that were classified as “tulip”/);
  });

  it('calls the accuracy imprecise when there are few test images', () => {
    const few = buildTrainingReport(reportInput({ perClass: 8 }));
    expect(levelOf(few, /The accuracy is imprecise: with 32 test images/)).toBe('caution');
    expect(few.next_steps.some((step) => step.startsWith('Use more test images'))).toBe(true);
    expect(levelOf(judged({}), /imprecise/)).toBeUndefined();
  });

  it('says when there is no threshold', () => {
    const unknown = { threshold: 0, target: 0.9, reached: false };
    expect(levelOf(judged({ unknown }), /No threshold on the confidence helps/)).toBe('caution');
  });

  it('warns of misleading confidences', () => {
    const { before, after } = input.test.calibration;
    const report = judged({ calibration: { before, after: { ...after, error: 0.2 } } });
    expect(levelOf(report, /differ from its accuracy by 20\.0%/)).toBe('caution');
  });

  it('warns of near duplicates, which make the results too good', () => {
    const warnings = [{ code: 'near_duplicates', message: '3 pairs of images look alike', context: {} }];
    const report = judged({}, { preflight: { ...input.preflight, warnings } });
    expect(levelOf(report, /too good: 3 pairs/)).toBe('caution');
  });

  it('advises more epochs when the last one was the best, and more images when the model overfits', () => {
    const { layers } = input.training;
    const hyperparameters = defaultHyperparameters(100, 8, 1);
    const history = [{ epoch: 1, epochs: 1, loss: 0.1, accuracy: 1, valLoss: 1, valAccuracy: 0.6, learningRate: 0.01 }];
    const report = judged(
      {},
      {
        training: {
          hyperparameters: { ...hyperparameters, epochs: 1 },
          history,
          bestEpoch: 1,
          retrained: false,
          layers,
        },
      },
    );
    expect(report.next_steps).toContainEqual(expect.stringContaining('Train for more epochs'));
    expect(report.next_steps).toContainEqual(expect.stringContaining('much better on its training images'));
  });

  it('has a single finding and a single step without test images', () => {
    const report = buildTrainingReport({ ...input, test: undefined });
    expect(report.verdict).toMatchObject([{ level: 'bad' }]);
    expect(report.next_steps).toHaveLength(1);
  });
});
