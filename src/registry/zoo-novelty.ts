import { join } from 'node:path';
import type { z } from 'zod';
import { readIfThere, writeFileDurably } from '../common/durable-files.ts';
import { describeIssues, noveltySchema } from './manifest.ts';
import type { ModelVersion } from './registry.ts';
import { sha256Schema } from './weights-schema.ts';

/** The detector that was fitted to a model of the zoo, beside it. */
const NOVELTY_RECORD_FILE = 'novelty.json';

/** Describes the detector of a model of the zoo, beside it. It says which weights it belongs to. */
const noveltyRecordSchema = noveltySchema.extend({ weights_sha256: sha256Schema });

/** The file of a detector, its figures, and the weights that it belongs to. */
export type NoveltyRecord = z.output<typeof noveltyRecordSchema>;

/** Writes the record that `readZoo` looks for. @param folder of the model, among the pulled ones */
export async function writeNoveltyRecord(folder: string, record: NoveltyRecord): Promise<void> {
  await writeFileDurably(join(folder, NOVELTY_RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * The model with the detector that was fitted to it, if there is one for these weights.
 * @param pulledDir pulled and imported models, and the detectors
 * @throws Error that says what is wrong in the record
 */
export async function withFittedDetector(model: ModelVersion, pulledDir: string | undefined): Promise<ModelVersion> {
  if (pulledDir === undefined) return model;
  const { name, manifest } = model;
  const record = await readNoveltyRecord(join(pulledDir, name));
  if (record?.weights_sha256 !== manifest.file.weights.sha256) return model;
  const { weights_sha256: _, ...novelty } = record;
  const noveltyPath = join(pulledDir, name, novelty.file);
  return { ...model, manifest: { ...manifest, file: { ...manifest.file, novelty } }, noveltyPath };
}

async function readNoveltyRecord(folder: string) {
  const text = await readIfThere(join(folder, NOVELTY_RECORD_FILE));
  if (text === undefined) return undefined;
  const parsed = noveltyRecordSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${NOVELTY_RECORD_FILE}: ${describeIssues(parsed.error)}`);
  return parsed.data;
}
