import { z } from 'zod';
import type { ManifestFile } from '../../registry/manifest.ts';
import type { TrainingResult } from '../training-messages.ts';
import { writeRecords, writeWeights } from '../version-folder.ts';
import { type DistilledParts, distillationReport } from './distillation-report.ts';

/**
 * Writes weights, manifest and report of a distilled model into the task's folder for the version.
 * @returns the summary of the report
 */
export async function writeDistilled(parts: DistilledParts): Promise<TrainingResult['summary']> {
  const { task, data, trained } = parts;
  const { student, teacher, options, labels, versionDir } = task;
  const weights = await writeWeights(versionDir, student, {
    layers: trained.layers,
    reads: data.features.layers.length,
    values: trained.lastStage?.values,
  });
  const manifest: ManifestFile = {
    ...weights,
    name: options.name,
    title: `${options.name}: ${student.manifest.title}, taught by ${teacher.manifest.title}`,
    labels: [...labels],
    training: z.record(z.string(), z.json()).parse(JSON.parse(JSON.stringify(options))),
    accuracy: [],
    provenance: {
      ...weights.provenance,
      teacher: `${teacher.name}@${teacher.version}`,
      teacher_sha256: teacher.manifest.weights.sha256,
      tensorflow_backend: parts.backend.name,
    },
  };
  const report = distillationReport(parts, manifest);
  await writeRecords(versionDir, manifest, report);
  return { verdict: report.verdict, next_steps: report.next_steps };
}
