import { constants } from 'node:fs';
import { lstat, open, opendir, realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { AppError, messageOf } from '../../common/errors.ts';
import { knownName } from './entry-name.ts';
import {
  ARCHIVE_LIMITS,
  type ArchiveLimits,
  checkDepth,
  type IgnoredEntry,
  type ImageSource,
  overLimit,
  type SourceFile,
  withoutFiles,
} from './image-source.ts';

interface FolderFile extends SourceFile {
  /** Path on disk, which may differ from `name` in its Unicode normalization. */
  readonly path: string;
}

/**
 * Opens a folder as a source of images, at any depth. The folder itself may be a symbolic link; links below it are not
 * followed, so that nothing outside is read and there are no loops.
 * @throws AppError `archive_too_large`
 */
export async function openFolder(path: string, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<ImageSource> {
  const root = await realpath(path);
  const files = new Map<string, FolderFile>();
  const ignored: IgnoredEntry[] = [];
  const folders = new Set<string>();
  let entries = 0;
  let totalBytes = 0;

  const pathOf = (name: string): string | undefined => {
    const known = files.get(name);
    return known && relative(root, known.path).replaceAll(sep, '/');
  };

  async function walk(folder: string, prefix: string): Promise<void> {
    for await (const entry of await opendir(folder)) {
      entries += 1;
      if (entries > limits.maxEntries) throw overLimit('maxEntries', entries, limits);
      const path = `${prefix}${entry.name}`;
      const entryPath = join(folder, entry.name);
      const name = knownName(path, pathOf);
      checkDepth(name, limits);
      if (entry.isDirectory()) {
        folders.add(path.normalize('NFC'));
        await walk(entryPath, `${path}/`);
      } else if (entry.isSymbolicLink()) ignored.push({ name, reason: 'symbolic_link' });
      else if (!entry.isFile()) ignored.push({ name, reason: 'special_file' });
      else if (files.has(name)) ignored.push({ name, reason: 'duplicate_name' });
      else files.set(name, { name, path: entryPath, bytes: await measure(entryPath, name) });
    }
  }

  async function measure(entryPath: string, name: string): Promise<number> {
    const { size } = await lstat(entryPath);
    if (size > limits.maxEntryBytes) throw overLimit('maxEntryBytes', size, limits, name);
    totalBytes += size;
    if (totalBytes > limits.maxTotalBytes) throw overLimit('maxTotalBytes', totalBytes, limits);
    return size;
  }

  await walk(root, '');
  return {
    files: [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    ignored,
    emptyFolders: withoutFiles(folders, files.keys()),
    read: async ({ name }) => {
      const file = files.get(name);
      if (file === undefined) throw new Error(`${name} is not a file of this folder`);
      return await readFile(file);
    },
    close: async () => {},
  };
}

async function readFile(file: FolderFile): Promise<Buffer> {
  try {
    // A file that was replaced by a link since it was listed must not lead out either.
    const handle = await open(file.path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size } = await handle.stat();
      if (size !== file.bytes) throw new Error(`it has changed: it has ${size} bytes instead of ${file.bytes}`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    throw new AppError('archive_corrupt', `${JSON.stringify(file.name)} cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
      context: { entry: file.name },
    });
  }
}
