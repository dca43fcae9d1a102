import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../common/errors.ts';
import { digestFile } from '../../common/file-digest.ts';
import { PartFile } from '../../download/part-file.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import { toSafetensors } from '../to-safetensors.ts';
import { type DownloadContext, fetchWeights } from './fetch-weights.ts';
import { BACKBONE_FILE } from './place-model.ts';
import type { PullOptions } from './pull-options.ts';

/** The first bytes of the weights, in which the backbone ends. */
const beginningIn = (work: string) => join(work, 'beginning');

/** @throws AppError `invalid_request` when the manifest does not say where the backbone ends */
export function expectBackbone({ name, weights: { backbone, source } }: ManifestDocument) {
  if (backbone !== undefined && source?.type === 'url') return { ...backbone, url: new URL(source.url) };
  throw new AppError(
    'invalid_request',
    `The backbone of ${name} cannot be pulled alone: its manifest does not say where it ends. Pull the whole model.`,
  );
}

/**
 * Downloads the beginning of a weights file and makes a model without classes of the backbone in it.
 *
 * @param work a folder for temporary files
 * @returns the weights file, and the manifest of the model
 * @throws AppError `invalid_request`; DownloadError; ConversionError
 */
export async function fetchBackbone(
  document: ManifestDocument,
  work: string,
  context: DownloadContext,
  options: PullOptions,
): Promise<{ path: string; manifest: ManifestDocument }> {
  const { url, sha256, size_bytes } = expectBackbone(document);
  const { input_size, mean, std, title, architecture } = document;
  const beginning = beginningIn(work);
  await fetchWeights(document, url, { target: beginning, sha256, size: size_bytes, prefix: true }, context, options);
  const path = join(work, BACKBONE_FILE);
  await rm(path, { force: true });
  const [, height, width] = input_size;
  const network = { architecture, inputSize: [height, width], mean, std } as const;
  const facts = await toSafetensors({ type: 'backbone', from: beginning, to: path, ...network }, options.signal);
  const found = await digestFile(path);
  await rm(beginning);
  const manifest: ManifestDocument = {
    ...document,
    title: `${title}: the backbone alone`,
    architecture: facts.architecture,
    weights: { file: BACKBONE_FILE, format: 'safetensors', sha256: found.sha256, size_bytes: found.size },
    num_classes: 0,
    labels: [],
    num_features: facts.numFeatures,
    parameters: facts.parameters,
    accuracy: [],
  };
  return { path, manifest };
}

/** Removes what an interrupted download of a backbone left. */
export async function removeBeginning(work: string): Promise<void> {
  await rm(beginningIn(work), { force: true });
  await new PartFile(beginningIn(work)).remove();
}
