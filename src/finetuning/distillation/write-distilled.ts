import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digestFile } from '../../common/file-digest.ts';
import { writeFineTuned } from '../../convert/transfer/fine-tuned.ts';
import { type ManifestFile, manifestSchema } from '../../registry/manifest.ts';
import { REPORT_FILE, REPORT_PAGE, REPORT_PICTURES } from '../report/files.ts';
import { renderReport } from '../report/page/page.ts';
import type { TrainingReport } from '../report/report-schema.ts';
import type { TrainingResult } from '../training-messages.ts';
import { type DistilledParts, distillationReport } from './distillation-report.ts';

/** Names of the weights file by format, which is that of the student. */
const WEIGHTS_FILES = { safetensors: 'weights.safetensors', onnx: 'weights.onnx' } as const;

/**
 * Writes weights, manifest and report of a distilled model into the task's folder for the version.
 * @returns the summary of the report
 */
export async function writeDistilled(parts: DistilledParts): Promise<TrainingResult['summary']> {
  const { task, data, trained } = parts;
  const { student, teacher, options, labels, versionDir } = task;
  const { needs, ...base } = student.manifest;
  const { format } = base.weights;
  const file = WEIGHTS_FILES[format];
  const path = join(versionDir, file);
  const values = trained.lastStage?.values;
  const architecture = await writeFineTuned(
    {
      weightsPath: student.weightsPath,
      architecture: base.architecture,
      inputSize: student.preprocessing.inputSize,
      mean: base.mean,
      std: base.std,
    },
    { from: 'features', earlier: data.features.layers.length - 1, layers: trained.layers },
    path,
    { metadata: { backbone: `${student.name}@${student.version}` }, ...(values && { trained: values }) },
  );
  const { sha256, size } = await digestFile(path);
  const inputs = trained.layers.at(-1)?.inputs ?? base.num_features;
  const manifest: ManifestFile = {
    ...base,
    name: options.name,
    title: `${options.name}: ${base.title}, taught by ${teacher.manifest.title}`,
    architecture,
    weights: { file, format, sha256, size_bytes: size },
    num_classes: labels.length,
    num_features: inputs,
    parameters: base.parameters - base.num_classes * (base.num_features + 1) + labels.length * (inputs + 1),
    labels: [...labels],
    icc: student.preprocessing.icc,
    training: z.record(z.string(), z.json()).parse(JSON.parse(JSON.stringify(options))),
    accuracy: [],
    provenance: {
      backbone: `${student.name}@${student.version}`,
      backbone_sha256: base.weights.sha256,
      teacher: `${teacher.name}@${teacher.version}`,
      teacher_sha256: teacher.manifest.weights.sha256,
      tensorflow_backend: parts.backend.name,
    },
  };
  const report: TrainingReport = distillationReport(parts, manifest);
  await writeFile(join(versionDir, REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(versionDir, 'manifest.json'), `${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`);
  await writeFile(join(versionDir, REPORT_PAGE), renderReport(report));
  await writeFile(join(versionDir, REPORT_PICTURES), '{}');
  return { verdict: report.verdict, next_steps: report.next_steps };
}
