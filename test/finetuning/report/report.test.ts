import { describe, expect, it } from 'vitest';
import { buildTrainingReport, summarizeReport } from '../../../src/finetuning/report/report.ts';
import { parseTrainingReport } from '../../../src/finetuning/report/report-schema.ts';
import { reportInput } from './report-fixture.ts';

describe('report.json', () => {
  const input = reportInput();
  const report = buildTrainingReport(input);

  it('is the same after it was written and read', () => {
    expect(parseTrainingReport(JSON.stringify(report))).toEqual(report);
  });

  it('names classes and images, not their indices', () => {
    const [pair] = report.test?.confused_pairs ?? [];
    expect(pair).toMatchObject({ label: 'rose', predicted: 'tulip' });
    expect(pair?.examples[0]).toMatch(/^rose\//);
    expect(report.test?.per_class.map((row) => row.class)).toEqual(['daisy', 'rose', 'sunflower', 'tulip']);
    expect(report.test?.baselines.majority_class).toMatchObject({ class: 'daisy', accuracy: 0.25 });
  });

  it('compares with the version in service and gives its confidence interval', () => {
    const current = { model: 'flowers', version: 2, accuracy: 0.5 };
    const compared = buildTrainingReport({ ...input, current }).test?.current;
    expect(compared).toMatchObject(current);
    expect(compared?.interval[0]).toBeCloseTo(0.412, 3);
  });

  it('thins out a long curve and keeps both ends', () => {
    const long = Array.from({ length: 5000 }, (_, i) => ({ threshold: i / 5000, coverage: 1 - i / 5000, accuracy: 1 }));
    const curve = buildTrainingReport({ ...input, test: { ...input.test, coverage: long } }).test?.unknown.curve ?? [];
    expect(curve).toHaveLength(200);
    expect([curve[0], curve.at(-1)]).toEqual([long[0], long.at(-1)]);
  });

  it('lists the trials of a search', () => {
    const trial = { features: 'features', augmented: true, hiddenUnits: [128], learningRateFactor: 0.3 };
    const search = {
      folds: 3,
      trials: [{ ...trial, weightDecayFactor: 4, accuracy: 0.9, loss: 0.3, chosen: true }],
    };
    const searched = buildTrainingReport({ ...input, training: { ...input.training, search } });
    expect(parseTrainingReport(JSON.stringify(searched)).training.search?.trials[0]).toMatchObject({
      hidden_units: [128],
      learning_rate_factor: 0.3,
      weight_decay_factor: 4,
      chosen: true,
    });
  });

  it('is refused when a field is missing or the schema is another one', () => {
    const { classes: _, ...without } = report;
    expect(() => parseTrainingReport(JSON.stringify(without))).toThrow(/classes/);
    expect(() => parseTrainingReport(JSON.stringify({ ...report, schema: 2 }))).toThrow(/schema/);
    const broken = { ...report, dataset: { ...report.dataset, preflight: {} } };
    expect(() => parseTrainingReport(JSON.stringify(broken))).toThrow(/a preflight report/);
  });
});

describe('summary', () => {
  it('has the figures that models are compared by', () => {
    const { test } = reportInput();
    const summary = summarizeReport(buildTrainingReport(reportInput()));
    expect(summary).toMatchObject({
      test_images: 120,
      accuracy: test.evaluation.accuracy,
      calibration_error: { before: test.calibration.before.error, after: test.calibration.after.error },
      unknown: { threshold: test.unknown.threshold },
      baselines: { majority_class: 0.25 },
    });
  });

  it('is null without test images', () => {
    const { test: _, ...untested } = reportInput();
    const report = buildTrainingReport(untested);
    expect(summarizeReport(report)).toBeNull();
    expect(parseTrainingReport(JSON.stringify(report)).test).toBeNull();
  });
});
