import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { digestFile } from '../../common/file-digest.ts';
import type { Downloaded } from '../../download/download-request.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import type { WeightsSource } from '../../registry/weights-schema.ts';
import { toSafetensors } from '../to-safetensors.ts';
import { type DownloadContext, fetchWeights } from './fetch-weights.ts';
import type { PullOptions } from './pull-options.ts';

/**
 * Downloads a PyTorch checkpoint and converts it to safetensors.
 *
 * @param target the safetensors file to write
 * @param work a folder for the checkpoint
 * @throws DownloadError; ConversionError when the checkpoint holds anything but tensors
 */
export async function fetchCheckpoint(
  document: ManifestDocument,
  source: Extract<WeightsSource, { type: 'checkpoint' }>,
  target: string,
  work: string,
  context: DownloadContext,
  options: PullOptions,
): Promise<Downloaded> {
  const url = new URL(source.url);
  const file = basename(url.pathname);
  const checkpoint = join(work, file);
  const wanted = { target: checkpoint, sha256: source.sha256, size: source.size_bytes, prefix: false };
  await fetchWeights({ ...document, weights: { ...document.weights, file } }, url, wanted, context, options);
  try {
    options.onProgress({ phase: 'convert' });
    await rm(target, { force: true });
    await toSafetensors({ type: 'pytorch', from: checkpoint, to: target }, options.signal);
    return await digestFile(target);
  } finally {
    await rm(checkpoint, { force: true });
  }
}
