import type { Page } from 'playwright-core';
import type { Separation, TestReport, TrainingReport } from '../../src/web/api/schema.ts';

/** A grey square. */
const PICTURE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** What makes the reports of a test different. */
export interface ReportOptions {
  readonly classes: readonly string[];
  /** `[true class, predicted class, images]`, by their indices; the other images, ten of each class, are right. */
  readonly mistakes: readonly (readonly [label: number, predicted: number, images: readonly string[]])[];
  readonly version?: number;
  readonly sha256?: string;
  readonly current?: TestReport['current'];
}

const IMAGES = 10;

/** The report of a training of `pets` that might have happened. */
export function reportOf({ classes, mistakes, version = 1, sha256 = 'a', current }: ReportOptions): TrainingReport {
  const confusion: number[][] = classes.map((_, label) =>
    classes.map((__, predicted) => (label === predicted ? IMAGES : 0)),
  );
  const name = (index: number): string => classes[index] ?? '';
  for (const [label, predicted, { length }] of mistakes) {
    const row = confusion[label] ?? [];
    row[predicted] = length;
    row[label] = (row[label] ?? 0) - length;
  }
  const images = IMAGES * classes.length;
  const wrong = mistakes.reduce((sum, [, , { length }]) => sum + length, 0);
  const accuracy = 1 - wrong / images;
  const methods: Separation[] = [
    { method: 'softmax', auroc: 0.71, false_positives: 0.8 },
    { method: 'mahalanobis', auroc: 0.93, false_positives: 0.31 },
  ];
  const calibration = { error: 0.02, bins: [{ low: 0.8, high: 1, count: images, confidence: 0.9, accuracy }] };
  const judged = mistakes.flatMap(([label, predicted, names]) =>
    names.map((image) => ({ image, label: name(label), predicted: name(predicted), confidence: 0.9 })),
  );
  return {
    schema: 1,
    created_at: '2026-01-01T00:00:00Z',
    model: { name: 'pets', version },
    backbone: { name: 'resnet18_slim.tiny200', version: 1 },
    classes,
    dataset: { sha256 },
    training: {
      best_epoch: 2,
      history: [1, 2].map((epoch) => ({ epoch, loss: 1 / epoch, accuracy: 0.5, val_loss: 1, val_accuracy: 0.5 })),
    },
    verdict: [{ level: 'good', text: 'The model is good.' }],
    next_steps: ['Add images.'],
    novelty: {
      method: 'mahalanobis',
      target: 0.95,
      tuned_on: 0,
      accepted: 0.94,
      left_out_classes: { classes: 3, methods },
    },
    test: {
      images,
      accuracy,
      interval: [accuracy - 0.05, accuracy + 0.02],
      macro_f1: accuracy,
      confusion,
      cells: mistakes.map(([label, predicted, names]) => ({
        label: name(label),
        predicted: name(predicted),
        examples: names.map((image) => ({ image, confidence: 0.9 })),
      })),
      per_class: classes.map((each) => ({ class: each, precision: 0.9, recall: 0.9, f1: 0.9, support: IMAGES })),
      robustness: {
        images: 20,
        corrupted_accuracy: 0.625,
        mean_corruption_error: 0.375,
        relative_robustness: 0.7,
        corruptions: [
          { corruption: 'gaussian_noise', accuracy: 0.5, by_severity: [0.9, 0.7, 0.5, 0.3, 0.1] },
          { corruption: 'jpeg_compression', accuracy: 0.75, by_severity: [0.9, 0.8, 0.75, 0.7, 0.6] },
        ],
        worst: [],
      },
      worst_mistakes: judged,
      least_certain: judged,
      calibration: { temperature: 1, before: calibration, after: calibration },
      unknown: {
        threshold: 0.6,
        reached: true,
        coverage: 0.8,
        accuracy: 0.95,
        curve: [
          { threshold: 0.3, coverage: 1, accuracy },
          { threshold: 0.6, coverage: 0.8, accuracy: 0.95 },
          { threshold: 0.9, coverage: 0.5, accuracy: 1 },
        ],
      },
      baselines: { majority_class: { accuracy: 0.1 }, nearest_neighbours: { accuracy: 0.5 } },
      ...(current && { current }),
    },
    provenance: { seed: 0, options: {} },
  };
}

/** Lets the server answer with the reports of the versions of `pets`. The last version is in service. */
export async function serveReports(page: Page, ...reports: readonly TrainingReport[]): Promise<void> {
  const versions = reports.map(({ model }) => model.version);
  await page.route('**/models/pets', (route) =>
    route.fulfill({ json: { id: 'pets', version: versions.at(-1), versions, aliases: {} } }),
  );
  for (const report of reports) {
    const address = `**/models/pets%40${report.model.version}/report`;
    const names = report.test?.worst_mistakes.map(({ image }) => image) ?? [];
    const pictures = Object.fromEntries(names.map((image) => [image, PICTURE]));
    await page.route(address, (route) => route.fulfill({ json: report }));
    await page.route(`${address}/pictures`, (route) => route.fulfill({ json: pictures }));
  }
}
