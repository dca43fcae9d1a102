import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../common/file-digest.ts';
import { writeFineTuned } from '../convert/transfer/fine-tuned.ts';
import type { LayerValues } from '../convert/transfer/last-stage.ts';
import { type ManifestFile, manifestSchema } from '../registry/manifest.ts';
import type { TrainingModel } from './features/feature-network.ts';
import type { DenseLayer } from './head/dense-layers.ts';
import { REPORT_FILE, REPORT_PAGE, REPORT_PICTURES } from './report/files.ts';
import { renderReport } from './report/page/page.ts';
import type { TrainingReport } from './report/report-schema.ts';

/** Names of the weights file by format, which is that of the backbone. */
const WEIGHTS_FILES = { safetensors: 'weights.safetensors', onnx: 'weights.onnx' } as const;

/** What was trained of a version. */
interface TrainedParts {
  readonly layers: readonly DenseLayer[];
  /** How many parts of the backbone's features the head reads. */
  readonly reads: number;
  /** New values of the convolutions of the last stage; absent when it was not trained. */
  readonly values: ReadonlyMap<string, LayerValues> | undefined;
}

/**
 * Writes the weights of a backbone with a new head into the folder of a version.
 * @returns the manifest as far as backbone and weights decide it
 */
export async function writeWeights(
  versionDir: string,
  backbone: TrainingModel,
  { layers, reads, values }: TrainedParts,
): Promise<Omit<ManifestFile, 'labels' | 'accuracy'>> {
  const { needs, labels, accuracy, ...base } = backbone.manifest;
  const { format } = base.weights;
  const file = WEIGHTS_FILES[format];
  const path = join(versionDir, file);
  const source = `${backbone.name}@${backbone.version}`;
  const { mean, std } = base;
  const architecture = await writeFineTuned(
    {
      ...{ weightsPath: backbone.weightsPath, architecture: base.architecture, mean, std },
      inputSize: backbone.preprocessing.inputSize,
    },
    { from: 'features', earlier: reads - 1, layers },
    path,
    { metadata: { backbone: source }, ...(values && { trained: values }) },
  );
  const { sha256, size } = await digestFile(path);
  const headParameters = layers.reduce((sum, { weight, bias }) => sum + weight.length + bias.length, 0);
  const last = layers.at(-1);
  return {
    ...base,
    architecture,
    weights: { file, format, sha256, size_bytes: size },
    num_classes: last?.outputs ?? base.num_classes,
    num_features: last?.inputs ?? base.num_features,
    parameters: base.parameters - base.num_classes * (base.num_features + 1) + headParameters,
    icc: backbone.preprocessing.icc,
    provenance: { backbone: source, backbone_sha256: base.weights.sha256 },
  };
}

/** Writes manifest and report into the folder of a version. @param pictures of the report as data URIs, by name */
export async function writeRecords(
  versionDir: string,
  manifest: ManifestFile,
  report: TrainingReport,
  pictures: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  await writeFile(join(versionDir, REPORT_FILE), json(report));
  await writeFile(join(versionDir, 'manifest.json'), json(manifestSchema.parse(manifest)));
  await writeFile(join(versionDir, REPORT_PAGE), renderReport(report, pictures));
  await writeFile(join(versionDir, REPORT_PICTURES), JSON.stringify(Object.fromEntries(pictures)));
}
