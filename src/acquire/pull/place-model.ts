import { rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder, syncToDisk, writeFileDurably } from '../../common/durable-files.ts';
import type { Downloaded } from '../../download/download-request.ts';
import type { ManifestDocument, WeightsLock } from '../../registry/manifest.ts';
import { MANIFEST_FILE, WEIGHTS_LOCK_FILE } from '../../registry/zoo.ts';

/** The weights of a backbone that was pulled alone. */
export const BACKBONE_FILE = 'backbone.safetensors';

/**
 * Moves verified weights into the folder of a model whose manifest is in the zoo. The model exists once its weights are
 * there, so the lock file is written first; a backbone that was pulled alone before is removed last.
 */
export async function placeWeights(from: string, folder: string, { sha256, size }: Downloaded): Promise<void> {
  await makeFolder(folder);
  const lock: WeightsLock = { sha256, size_bytes: size };
  await writeFileDurably(join(folder, WEIGHTS_LOCK_FILE), `${JSON.stringify(lock, null, 2)}\n`);
  await rename(from, join(folder, basename(from)));
  await rm(join(folder, MANIFEST_FILE), { force: true });
  await rm(join(folder, BACKBONE_FILE), { force: true });
  await syncToDisk(folder);
}

/** Moves weights into the folder of a model with a manifest of its own, which is written last. */
export async function placeModel(from: string, folder: string, manifest: ManifestDocument): Promise<void> {
  await makeFolder(folder);
  await rename(from, join(folder, manifest.weights.file));
  await writeFileDurably(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
}
