import { seededRandom } from '../../../src/common/random.ts';
import type { PreflightReport } from '../../../src/finetuning/dataset/preflight-report.ts';
import { calibrationOf, fitTemperature } from '../../../src/finetuning/head/calibration.ts';
import { wilsonInterval } from '../../../src/finetuning/head/confidence-interval.ts';
import { evaluate } from '../../../src/finetuning/head/evaluation.ts';
import { defaultHyperparameters } from '../../../src/finetuning/head/hyperparameters.ts';
import { softmaxRows } from '../../../src/finetuning/head/softmax.ts';
import type { TestResult } from '../../../src/finetuning/head/test-result.ts';
import { applyThreshold, chooseThreshold, coverageCurve } from '../../../src/finetuning/head/threshold.ts';
import type { ReportInput } from '../../../src/finetuning/report/report.ts';

/** A detector that was measured by leaving out each class in turn. */
const NOVELTY: ReportInput['novelty'] = {
  detector: {
    dimension: 2,
    classes: Float32Array.of(1, 0),
    bias: Float32Array.of(0),
    projection: Float32Array.of(0, 0),
    threshold: 1,
    judged: 200,
  },
  tunedOn: 0,
  test: {
    accepted: 0.94,
    leaveClassOut: {
      classes: 4,
      methods: {
        softmax: { auroc: 0.72, falsePositives: 0.81 },
        mahalanobis: { auroc: 0.93, falsePositives: 0.31 },
      },
    },
    negatives: undefined,
  },
};

/** The model that a fixture reports on. */
export interface ReportedModel {
  readonly classes: readonly string[];
  readonly perClass: number;
  /** Mean logit of the true class: 0 is chance, 4 nearly always right. */
  readonly skill: number;
}

const FLOWERS: ReportedModel = { classes: ['daisy', 'rose', 'sunflower', 'tulip'], perClass: 30, skill: 3 };

/** Input of a report about a made-up model that sometimes classifies the second class as the fourth. */
export function reportInput(model: Partial<ReportedModel> = {}): ReportInput & { readonly test: TestResult } {
  const { classes, perClass, skill } = { ...FLOWERS, ...model };
  return {
    model: { name: 'flowers', version: 3 },
    backbone: { name: 'resnet18_slim.tiny200', version: 1, sha256: 'ab'.repeat(32) },
    classes,
    datasetSha256: 'cd'.repeat(32),
    preflight: preflight(classes, perClass),
    training: {
      hyperparameters: defaultHyperparameters(classes.length * perClass * 5, 512, 7),
      history: Array.from({ length: 24 }, (_, i) => ({
        epoch: i + 1,
        epochs: 50,
        loss: 1.3 * Math.exp(-i / 5) + 0.08,
        accuracy: 0.97 - 0.6 * Math.exp(-i / 4),
        valLoss: 1.3 * Math.exp(-i / 4) + 0.25 + Math.max(0, i - 13) * 0.006,
        valAccuracy: 0.91 - 0.5 * Math.exp(-i / 4) + 0.01 * Math.sin(i),
        learningRate: 0.002,
      })),
      bestEpoch: 14,
      retrained: true,
      layers: [{ name: 'avgpool', size: 512 }],
    },
    test: testResult(classes, perClass, skill),
    novelty: NOVELTY,
    provenance: {
      seed: 7,
      options: { name: 'flowers', promote: 'always' },
      libraries: { '@tensorflow/tfjs': '4.22.0', 'onnxruntime-node': '1.30.0' },
      tensorflowBackend: 'wasm',
      durations: { inspecting: 2.1, augmenting: 11.4, training: 3.25 },
    },
    createdAt: new Date('2026-01-02T03:04:05Z'),
  };
}

function testResult(classes: readonly string[], perClass: number, skill: number): TestResult {
  const validation = draw(classes.length, perClass, skill, 1);
  const test = draw(classes.length, perClass, skill, 2);
  const count = test.labels.length;
  const temperature = fitTemperature(validation);
  const scaled = (logits: Float32Array, by: number) =>
    softmaxRows(
      logits.map((logit) => logit / by),
      classes.length,
    );
  const probabilities = scaled(test.logits, temperature);
  const { labels } = test;
  const unknown = chooseThreshold(scaled(validation.logits, temperature), validation.labels, classes.length);
  const share = (correct: number) => ({ accuracy: correct / count, interval: wilsonInterval(correct, count) });
  return {
    probabilities,
    labels,
    evaluation: evaluate({
      probabilities,
      labels,
      classes: classes.length,
      ids: Array.from(labels, (label, row) => `${classes[label]}/${String(row).padStart(4, '0')}.jpg`),
    }),
    temperature,
    tunedOn: 'cross_validation',
    calibration: {
      before: calibrationOf(scaled(test.logits, 1), labels, classes.length),
      after: calibrationOf(probabilities, labels, classes.length),
    },
    unknown,
    atThreshold: applyThreshold(probabilities, labels, classes.length, unknown.threshold),
    coverage: coverageCurve(probabilities, labels, classes.length),
    baselines: {
      majorityClass: { label: 0, ...share(perClass) },
      nearestNeighbours: share(Math.round(count * 0.62)),
      prototypes: share(Math.round(count * 0.6)),
    },
    robustness: undefined,
  };
}

/** Overconfident logits, twice as large as calibrated ones, for `perClass` images of each class. */
function draw(classes: number, perClass: number, skill: number, seed: number) {
  const random = seededRandom(seed);
  const labels = Int32Array.from({ length: classes * perClass }, (_, row) => Math.floor(row / perClass));
  const logits = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => {
    for (let k = 0; k < classes; k++) {
      const confused = label === 1 && k === 3 && row % 3 === 0 ? Math.min(skill, 3) : 0;
      logits[row * classes + k] = 2 * ((k === label ? skill : confused) + 1.2 * random.normal());
    }
  });
  return { logits, labels, classes };
}

function preflight(classes: readonly string[], perClass: number): PreflightReport {
  const none = { count: 0, examples: [] };
  const images = classes.length * perClass;
  const splits = { train: images * 5, validation: images, test: images };
  return {
    layout: 'folders',
    will_train: `${splits.train} images of ${classes.length} classes train the head`,
    classes: classes.map((name) => ({
      name,
      images: perClass * 7,
      train: perClass * 5,
      validation: perClass,
      test: perClass,
    })),
    images: { labelled: images * 7 + 4, unreadable: 1, left_out: 3, used: images * 7, ...splits },
    imbalance: 1,
    split: { seed: 7, validation_share: 0.15, test_share: 0.15 },
    unreadable: none,
    ignored: { count: 2, reasons: [] },
    missing: none,
    duplicates: none,
    conflicting_labels: none,
    leakage: none,
    near_duplicates: none,
    small_images: { count: 0, minimum: [64, 64], examples: [] },
    warnings: [{ code: 'unreadable', message: '1 image cannot be read and will not be used', context: {} }],
  };
}
