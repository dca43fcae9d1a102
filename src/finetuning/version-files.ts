import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digestFile } from '../common/file-digest.ts';
import { writeFineTuned } from '../convert/transfer/fine-tuned.ts';
import { writeNovelty } from '../convert/transfer/novelty.ts';
import type { HierarchicalAccuracy } from '../registry/hierarchical-accuracy.ts';
import { type Label, type ManifestFile, manifestSchema } from '../registry/manifest.ts';
import type { Preflight } from './dataset/preflight.ts';
import { noveltyFigures } from './novelty/figures.ts';
import { REPORT_FILE, REPORT_PAGE, REPORT_PICTURES } from './report/files.ts';
import { renderReport } from './report/page/page.ts';
import { buildTrainingReport, summarizeReport } from './report/report.ts';
import type { TrainingReport } from './report/report-schema.ts';
import type { TrainedHead } from './train-and-test.ts';
import type { Computed } from './training.ts';
import type { TrainingResult, TrainingTask } from './training-messages.ts';

/** Names of the weights file by format, which is that of the backbone. */
const WEIGHTS_FILES = { safetensors: 'weights.safetensors', onnx: 'weights.onnx' } as const;
/** The detector of unknown images. */
const NOVELTY_FILE = 'novelty.safetensors';

/** Input of `writeVersion`. */
export interface VersionParts extends Computed {
  readonly task: TrainingTask;
  /** Number of the version. */
  readonly version: number;
  readonly preflight: Preflight;
  readonly trained: TrainedHead;
  /** Accuracy of the version in service on the same test images. */
  readonly currentAccuracy: number | undefined;
  /** Of the test images; undefined when no class has a synset that the zoo knows. */
  readonly hierarchy: HierarchicalAccuracy | undefined;
  /** Pictures of some test images as data URIs, by name. */
  readonly thumbnails: ReadonlyMap<string, string>;
}

/**
 * Writes weights, manifest and report of a fine-tuned model into the task's folder for the version.
 * @returns the summary of the report
 */
export async function writeVersion(parts: VersionParts): Promise<TrainingResult['summary']> {
  const { task, preflight, trained } = parts;
  const { backbone, options, versionDir } = task;
  const { needs, ...base } = backbone.manifest;
  const { format } = base.weights;
  const weightsFile = WEIGHTS_FILES[format];
  const weightsPath = join(versionDir, weightsFile);
  const architecture = await writeFineTuned(
    {
      weightsPath: backbone.weightsPath,
      architecture: base.architecture,
      inputSize: backbone.preprocessing.inputSize,
      mean: base.mean,
      std: base.std,
    },
    { from: 'features', earlier: trained.reads.length - 1, layers: trained.layers },
    weightsPath,
    {
      metadata: { backbone: `${backbone.name}@${backbone.version}` },
      ...(trained.lastStage?.values && { trained: trained.lastStage.values }),
    },
  );
  const { sha256, size } = await digestFile(weightsPath);
  const noveltyPath = join(versionDir, NOVELTY_FILE);
  await writeNovelty({ ...trained.novelty.detector, layers: trained.layers.length }, noveltyPath);
  const report = reportOf(parts);
  const headParameters = trained.layers.reduce((sum, { weight, bias }) => sum + weight.length + bias.length, 0);
  const manifest: ManifestFile = {
    ...base,
    name: options.name,
    title: `${options.name}, on ${base.title}`,
    architecture,
    weights: { file: weightsFile, format, sha256, size_bytes: size },
    num_classes: preflight.classes.length,
    num_features: trained.layers.at(-1)?.inputs ?? base.num_features,
    parameters: base.parameters - base.num_classes * (base.num_features + 1) + headParameters,
    labels: preflight.classes.map((label, index) => labelOf(label, preflight.synsets[index])),
    icc: backbone.preprocessing.icc,
    novelty: { file: NOVELTY_FILE, sha256: (await digestFile(noveltyPath)).sha256, ...noveltyFigures(trained.novelty) },
    training: z.record(z.string(), z.json()).parse(JSON.parse(JSON.stringify(options))),
    accuracy:
      report.test === null
        ? []
        : [
            {
              dataset: 'held-out images of its own data set',
              images: report.test.images,
              top1: 100 * report.test.accuracy,
              ece_15_bins: report.test.calibration.after.error,
            },
          ],
    provenance: {
      backbone: `${backbone.name}@${backbone.version}`,
      backbone_sha256: base.weights.sha256,
      dataset_sha256: preflight.datasetDigest,
      tensorflow_backend: parts.backend.name,
    },
  };
  await writeFile(join(versionDir, REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(versionDir, 'manifest.json'), `${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`);
  await writeFile(join(versionDir, REPORT_PAGE), renderReport(report, parts.thumbnails));
  await writeFile(join(versionDir, REPORT_PICTURES), JSON.stringify(Object.fromEntries(parts.thumbnails)));
  return { verdict: report.verdict, next_steps: report.next_steps, ...summarizeReport(report) };
}

function labelOf(label: string, synset: string | undefined): Label {
  return synset === undefined ? { label } : { label, synset };
}

function reportOf({
  task,
  version,
  preflight,
  trained,
  backend,
  currentAccuracy,
  hierarchy,
  durations,
}: VersionParts): TrainingReport {
  const { options, backbone, current } = task;
  const { hyperparameters, solved, learningCurve, automaticSearch, head, test, search, reads } = trained;
  return buildTrainingReport({
    model: { name: options.name, version },
    backbone: { name: backbone.name, version: backbone.version, sha256: backbone.manifest.weights.sha256 },
    classes: preflight.classes,
    datasetSha256: preflight.datasetDigest,
    preflight: preflight.report,
    training: {
      hyperparameters,
      solved,
      learningCurve,
      automaticSearch,
      history: head.history,
      bestEpoch: head.bestEpoch,
      retrained: head.retrained,
      search,
      layers: reads,
      lastStage: trained.lastStage,
    },
    test,
    novelty: trained.novelty,
    hierarchy,
    ...(current !== undefined &&
      currentAccuracy !== undefined && {
        current: { model: current.name, version: current.version, accuracy: currentAccuracy },
      }),
    provenance: {
      seed: options.seed,
      options,
      libraries: { node: process.versions.node, ...backend.libraries },
      tensorflowBackend: backend.name,
      durations,
    },
    createdAt: new Date(),
  });
}
