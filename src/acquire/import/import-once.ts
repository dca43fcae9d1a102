import { join } from 'node:path';
import { digestFile } from '../../common/file-digest.ts';
import { STAGING_DIR, withStagingFolder } from '../../common/staging-folder.ts';
import { findModel } from './find-model.ts';
import { type ImportRequest, type ImportTarget, type PreparedImport, prepareImport } from './model-import.ts';

/**
 * Imports a model, unless the model of its name was imported from the same file before.
 * @returns what was imported; undefined when it was there
 * @throws Error when the name belongs to another model; otherwise as `prepareImport`
 */
export async function importOnce(
  request: ImportRequest,
  target: ImportTarget,
): Promise<Pick<PreparedImport, 'notes' | 'warnings'> | undefined> {
  if (await isThere(request, target)) return undefined;
  const prepared = await prepareImport(request, target);
  try {
    await prepared.commit();
  } finally {
    await prepared.discard();
  }
  return prepared;
}

async function isThere({ name, path, inside }: ImportRequest, { listing, pulledDir }: ImportTarget): Promise<boolean> {
  const source = listing.models.find((model) => model.name === name)?.versions[0]?.manifest.file.provenance?.[
    'source_sha256'
  ];
  if (source === undefined) return false;
  return await withStagingFolder(join(pulledDir, STAGING_DIR), async (work) => {
    const { path: file } = await findModel(path, inside, work);
    return (await digestFile(file)).sha256 === source;
  });
}
