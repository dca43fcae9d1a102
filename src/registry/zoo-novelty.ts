import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { readIfThere, syncToDisk, writeFileDurably } from '../common/durable-files.ts';
import { digestFile } from '../common/file-digest.ts';
import { describeIssues, noveltySchema } from './manifest.ts';
import type { ModelVersion } from './registry.ts';
import { sha256Schema } from './weights-schema.ts';

/** The detector that was fitted to a model of the zoo, beside it. */
const NOVELTY_RECORD_FILE = 'novelty.json';

/** Describes the detector of a model of the zoo, beside it. It says which weights it belongs to. */
const noveltyRecordSchema = noveltySchema.extend({ weights_sha256: sha256Schema });

/** The file of a detector, its figures, and the weights that it belongs to. */
type NoveltyRecord = z.output<typeof noveltyRecordSchema>;

/**
 * Puts a detector beside a model of the zoo, where `readZoo` looks for it, in place of the one before.
 *
 * The file has its digest in its name: a server may still read the one before until the record says otherwise.
 * @param folder of the model, among the pulled ones
 * @param made the written detector, which is moved
 */
export async function addDetector(
  folder: string,
  made: string,
  record: Omit<NoveltyRecord, 'file' | 'sha256'>,
): Promise<void> {
  await syncToDisk(made);
  const { sha256 } = await digestFile(made);
  const file = `novelty-${sha256.slice(0, 16)}.safetensors`;
  await mkdir(folder, { recursive: true });
  await rename(made, join(folder, file));
  const whole: NoveltyRecord = { file, sha256, ...record };
  await writeFileDurably(join(folder, NOVELTY_RECORD_FILE), `${JSON.stringify(whole, null, 2)}\n`);
  for (const old of await readdir(folder)) {
    if (/^novelty-[0-9a-f]{16}\.safetensors$/.test(old) && old !== file) await rm(join(folder, old));
  }
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
  const files = async () => ({ ...(await model.files()), noveltyPath });
  return { ...model, manifest: { ...manifest, file: { ...manifest.file, novelty } }, files };
}

async function readNoveltyRecord(folder: string) {
  const text = await readIfThere(join(folder, NOVELTY_RECORD_FILE));
  if (text === undefined) return undefined;
  const parsed = noveltyRecordSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${NOVELTY_RECORD_FILE}: ${describeIssues(parsed.error)}`);
  return parsed.data;
}
