import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ManifestFile } from '../../registry/manifest.ts';
import type { PreflightReport } from '../dataset/preflight-report.ts';
import type { Split } from '../dataset/split-names.ts';
import { wilsonInterval } from '../head/confidence-interval.ts';
import { percent } from '../report/percent.ts';
import { epochOf, lastStageOf, settingsOf } from '../report/report.ts';
import type { TrainingReport } from '../report/report-schema.ts';
import type { Computed } from '../training.ts';
import type { DistillationTask } from '../training-messages.ts';
import type { DistillationData } from './distillation-data.ts';
import type { Pictures } from './pictures.ts';
import type { TrainedStudent } from './train-student.ts';

/** What the files of a distilled version are made from. */
export interface DistilledParts extends Computed {
  readonly task: DistillationTask;
  /** Number of the version. */
  readonly version: number;
  readonly data: DistillationData;
  readonly trained: TrainedStudent;
  /** Milliseconds for an image of teacher and student. */
  readonly speeds: readonly number[];
}

/** With fewer training pictures, more of them help most. */
const FEW_PICTURES = 1000;
/** With less agreement the student is no substitute for its teacher. */
const GOOD_AGREEMENT = 0.8;

/** The report of a distilled version. Nothing is known about its accuracy: its pictures have no labels. */
export function distillationReport(parts: DistilledParts, student: ManifestFile): TrainingReport {
  const { task, version, data, trained, backend, durations } = parts;
  const { options, teacher, labels } = task;
  const { pictures } = data.pictures;
  const dataset = createHash('sha256')
    .update(pictures.map(({ pixelDigest }) => pixelDigest).join())
    .digest('hex');
  const distillation = distillationOf(parts, student);
  const facts = { distillation, published: trained.lastStage === undefined || trained.lastStage.bestEpoch > 0 };
  return {
    schema: 1,
    created_at: new Date().toISOString(),
    model: { name: options.name, version },
    backbone: {
      name: task.student.name,
      version: task.student.version,
      sha256: task.student.manifest.weights.sha256,
    },
    classes: labels.map(({ label }) => label),
    dataset: { sha256: dataset, preflight: preflightOf(data.pictures, options, teacher.name) },
    training: {
      settings: settingsOf({ hyperparameters: trained.hyperparameters }),
      layers: data.features.layers.map(({ name, size }) => ({ name, size })),
      best_epoch: trained.bestEpoch,
      retrained: false,
      history: trained.history.map(epochOf),
      ...(trained.lastStage && { last_stage: lastStageOf(trained.lastStage) }),
    },
    distillation,
    verdict: verdictOf(distillation, teacher.name),
    next_steps: nextStepsOf(distillation, facts.published),
    test: null,
    provenance: {
      seed: options.seed,
      options: z.record(z.string(), z.json()).parse(JSON.parse(JSON.stringify(options))),
      libraries: { node: process.versions.node, ...backend.libraries },
      tensorflow_backend: backend.name,
      durations_seconds: { ...durations },
    },
  };
}

type Distillation = NonNullable<TrainingReport['distillation']>;

function distillationOf({ task, data, trained, speeds }: DistilledParts, student: ManifestFile): Distillation {
  const { test } = trained;
  const { low, high } = wilsonInterval(Math.round(test.agreement * test.images), test.images);
  const { pictures, unreadable } = data.pictures;
  return {
    temperature: task.options.temperature,
    pictures: { ...splitCounts(pictures), unreadable: unreadable.length },
    unreadable: unreadable.slice(0, 20).map((each) => ({ ...each })),
    agreement: test.agreement,
    agreement_interval: [low, high],
    top5_agreement: test.top5,
    most_common: test.mostCommon,
    divergence: test.divergence,
    models: [
      {
        role: 'teacher' as const,
        model: `${task.teacher.name}@${task.teacher.version}`,
        manifest: task.teacher.manifest,
      },
      { role: 'student' as const, model: student.name, manifest: student },
    ].map(({ manifest, ...rest }, index) => ({
      ...rest,
      parameters: manifest.parameters,
      weights_bytes: manifest.weights.size_bytes ?? 0,
      ms_per_image: Math.round((speeds[index] ?? 0) * 100) / 100 || 0.01,
    })),
  };
}

function splitCounts(pictures: Pictures['pictures']): Record<Split, number> {
  const of = (wanted: Split): number => pictures.filter(({ split }) => split === wanted).length;
  return { train: of('train'), validation: of('validation'), test: of('test') };
}

function verdictOf(facts: Distillation, teacher: string): TrainingReport['verdict'] {
  const { agreement, agreement_interval: interval, pictures, most_common: common, models, unreadable } = facts;
  const [large, small] = models;
  const verdict: TrainingReport['verdict'] = [
    {
      level: agreement >= GOOD_AGREEMENT ? 'good' : interval[0] > common ? 'caution' : 'bad',
      text:
        `It names the same class as ${teacher} for ${percent(agreement)} of ${pictures.test} pictures that were not used ` +
        `for training (95% confidence: ${percent(interval[0])} to ${percent(interval[1])}); ${teacher}’s class is among ` +
        `its first five for ${percent(facts.top5_agreement)}.`,
    },
    {
      level: interval[0] > common ? 'good' : 'bad',
      text: `Always naming the most common class would agree for ${percent(common)}.`,
    },
  ];
  if (large !== undefined && small !== undefined) {
    const times = (a: number, b: number) => (a / b).toFixed(1);
    verdict.push({
      level: 'good',
      text:
        `It has ${times(large.weights_bytes, small.weights_bytes)} times fewer bytes than ${teacher}, and is ` +
        `${times(large.ms_per_image, small.ms_per_image)} times as fast (${small.ms_per_image} ms against ` +
        `${large.ms_per_image} ms an image on one thread).`,
    });
  }
  verdict.push({
    level: 'caution',
    text: 'Whether its answers are right is not known: the pictures have no labels. Measure it with menagerie evaluate.',
  });
  const [first] = unreadable;
  if (first !== undefined) {
    verdict.push({
      level: 'caution',
      text: `${pictures.unreadable} pictures could not be read, such as ${first.file}: ${first.reason}.`,
    });
  }
  return verdict;
}

function nextStepsOf({ pictures, agreement }: Distillation, lastStagePublished: boolean): string[] {
  const steps: string[] = [];
  if (pictures.train < FEW_PICTURES && agreement < 0.95) {
    steps.push(`Add pictures of what the model will see, without labels: ${pictures.train} are few to learn from.`);
  }
  if (agreement < GOOD_AGREEMENT) steps.push('Try a larger student (option student), or more epochs (option epochs).');
  if (!lastStagePublished) steps.push('The last stage of the student gained nothing: depth=head is faster.');
  return steps;
}

/** The pictures in the form in which the report describes a data set. */
function preflightOf(
  { pictures, unreadable, ignored }: Pictures,
  { seed, validation_share, test_share }: DistillationTask['options'],
  teacher: string,
): PreflightReport {
  const none = { count: 0, examples: [] };
  return {
    layout: 'unlabelled',
    will_train: `Learns the answers of ${teacher} on ${pictures.length} pictures.`,
    classes: [],
    images: {
      labelled: 0,
      unreadable: unreadable.length,
      left_out: 0,
      used: pictures.length,
      ...splitCounts(pictures),
    },
    imbalance: null,
    split: { seed, validation_share, test_share },
    unreadable: {
      count: unreadable.length,
      examples: unreadable.slice(0, 20).map(({ file, reason }) => ({ file, label: '', code: 'corrupt_image', reason })),
    },
    ignored: { count: ignored, reasons: [] },
    missing: none,
    duplicates: none,
    conflicting_labels: none,
    leakage: none,
    near_duplicates: none,
    small_images: { count: 0, minimum: [1, 1], examples: [] },
    warnings: [],
  };
}
