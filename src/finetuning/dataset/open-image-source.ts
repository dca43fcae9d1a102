import { stat } from 'node:fs/promises';
import { AppError } from '../../common/errors.ts';
import { openArchive } from './archive.ts';
import { openFolder } from './folder.ts';
import type { ArchiveLimits, ImageSource } from './image-source.ts';

/** Opens a zip file or a folder, whichever lies at `path`. @throws AppError when there is neither. */
export async function openImageSource(path: string, limits?: ArchiveLimits): Promise<ImageSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new AppError('invalid_request', `nothing lies at ${path}: give a folder of images or a zip file`);
  }
  return found.isDirectory() ? openFolder(path, limits) : openArchive(path, limits);
}
