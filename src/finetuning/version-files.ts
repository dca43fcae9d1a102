import { join } from 'node:path';
import { z } from 'zod';
import { digestFile } from '../common/file-digest.ts';
import { writeNovelty } from '../convert/transfer/novelty.ts';
import type { HierarchicalAccuracy } from '../registry/hierarchical-accuracy.ts';
import type { Label, ManifestFile } from '../registry/manifest.ts';
import type { Preflight } from './dataset/preflight.ts';
import { noveltyFigures } from './novelty/figures.ts';
import { buildTrainingReport, summarizeReport } from './report/report.ts';
import type { TrainingReport } from './report/report-schema.ts';
import type { TrainedHead } from './train-and-test.ts';
import type { Computed } from './training.ts';
import type { TrainingResult, TrainingTask } from './training-messages.ts';
import { writeRecords, writeWeights } from './version-folder.ts';

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
  const weights = await writeWeights(versionDir, backbone, {
    layers: trained.layers,
    reads: trained.reads.length,
    values: trained.lastStage?.values,
  });
  const noveltyPath = join(versionDir, NOVELTY_FILE);
  await writeNovelty({ ...trained.novelty.detector, layers: trained.layers.length }, noveltyPath);
  const report = reportOf(parts);
  const manifest: ManifestFile = {
    ...weights,
    name: options.name,
    title: `${options.name}, on ${backbone.manifest.title}`,
    labels: preflight.classes.map((label, index) => labelOf(label, preflight.synsets[index])),
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
      ...weights.provenance,
      dataset_sha256: preflight.datasetDigest,
      tensorflow_backend: parts.backend.name,
    },
  };
  await writeRecords(versionDir, manifest, report, parts.thumbnails);
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
