import { AppError } from '../../common/errors.ts';
import type { TextEncoding } from './text-encoding.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const GIBIBYTE = 1024 * MEBIBYTE;

/** Limits of a labelled archive or folder. Exceeding one is an `AppError` that names it. */
export interface ArchiveLimits {
  /** Bytes of the zip file. */
  readonly maxArchiveBytes: number;
  /** Files and folders, including those that are not used. */
  readonly maxEntries: number;
  /** Uncompressed bytes of one entry, which are in memory while the image is read. */
  readonly maxEntryBytes: number;
  /** Uncompressed bytes of all entries. */
  readonly maxTotalBytes: number;
  /** Uncompressed by compressed bytes of one entry of more than a mebibyte. */
  readonly maxRatio: number;
  /** Bytes of the name of one entry, with its folders. The names of all entries are in memory. */
  readonly maxNameBytes: number;
  /** Nested folders around a file. */
  readonly maxDepth: number;
}

/**
 * Defaults. CIFAR-10 has 60,000 images; Food-101 has 5 GB and should be reduced first. A photo of 50 megapixels has 10
 * to 30 MB as JPEG. Photos hardly shrink in a zip, and even uncompressed drawings shrink less than 200 times, while
 * deflate reaches 1,032 times on a bomb. A path has at most 1,024 bytes on macOS and 260 characters on Windows.
 */
export const ARCHIVE_LIMITS: ArchiveLimits = {
  maxArchiveBytes: 2 * GIBIBYTE,
  maxEntries: 100_000,
  maxEntryBytes: 64 * MEBIBYTE,
  maxTotalBytes: 4 * GIBIBYTE,
  maxRatio: 200,
  maxNameBytes: 1024,
  maxDepth: 32,
};

/** A file of a data set; its content is not read yet. */
export interface SourceFile {
  /** Path from the root with `/` between segments, in Unicode NFC. For display and labels; it is not a path on disk. */
  readonly name: string;
  /** Uncompressed size; `read` returns as many bytes. */
  readonly bytes: number;
  /** Whether a file whose name does not say that it is an image begins like one; see `imagesByContent`. */
  readonly startsLikeImage?: boolean;
}

/** Why an entry of a source cannot be read. */
export type SourceIgnoreReason = 'symbolic_link' | 'special_file' | 'duplicate_name';

/** An entry that cannot be read. */
export interface IgnoredEntry {
  readonly name: string;
  readonly reason: SourceIgnoreReason;
}

/** @throws AppError `archive_too_large` when a file, given by its path from the root, has too many folders around it */
export function checkDepth(name: string, limits: ArchiveLimits): void {
  const depth = name.split('/', limits.maxDepth + 2).length - 1;
  if (depth > limits.maxDepth) throw overLimit('maxDepth', depth, limits, name);
}

/** The folders without any file below them. @param files the paths of all files */
export function withoutFiles(folders: ReadonlySet<string>, files: Iterable<string>): string[] {
  const empty = new Set(folders);
  for (const name of files) {
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1))
      empty.delete(name.slice(0, end));
  }
  return [...empty].sort();
}

/** A zip file or a folder with labelled images. Opening it reads the names, `read` reads the content. */
export interface ImageSource {
  /** Every regular file, sorted by name. Names are unique and do not lead out of the root. */
  readonly files: readonly SourceFile[];
  readonly ignored: readonly IgnoredEntry[];
  /** Folders without any file below them, by their paths; none when it is absent. */
  readonly emptyFolders?: readonly string[];
  /** The encoding that names without any mark of theirs were read in, unless they are UTF-8. */
  readonly nameEncoding?: TextEncoding;
  /**
   * Reads a file of `files`. Calls may overlap and repeat.
   * @throws AppError `archive_corrupt` when the file is damaged or has changed; this does not affect other files
   */
  read(file: SourceFile): Promise<Buffer>;
  /** Closes the file handle. No `read` may be running. */
  close(): Promise<void>;
}

/** The error for an exceeded limit. @param found the value that exceeds it */
export function overLimit(limit: keyof ArchiveLimits, found: number, limits: ArchiveLimits, entry?: string): AppError {
  const maximum = limits[limit];
  const where = entry === undefined ? 'the data set' : `the entry ${JSON.stringify(shown(entry))}`;
  const [what, remedy] = LIMIT_TEXT[limit];
  return new AppError(
    limit === 'maxRatio' ? 'archive_bomb' : 'archive_too_large',
    `${where} has ${what} ${Math.ceil(found)}, over the limit of ${maximum}: ${remedy}`,
    {
      context: {
        limit: LIMIT_NAMES[limit],
        maximum,
        found: Math.ceil(found),
        ...(entry === undefined ? {} : { entry: shown(entry) }),
      },
    },
  );
}

function shown(entry: string): string {
  return entry.slice(0, 200);
}

const LIMIT_TEXT: Readonly<Record<keyof ArchiveLimits, readonly [what: string, remedy: string]>> = {
  maxArchiveBytes: ['a file size in bytes of', 'send fewer or smaller images'],
  maxEntries: ['a number of entries of', 'send fewer files'],
  maxEntryBytes: ['a size in bytes of', 'reduce large images, and send only images'],
  maxTotalBytes: ['a total size in bytes of', 'send fewer or smaller images'],
  maxNameBytes: ['a length of its name in bytes of', 'shorten the names of files and folders'],
  maxDepth: ['a number of nested folders of', 'one folder per class is enough'],
  maxRatio: ['a compression ratio of', 'photos hardly shrink in a zip: send them as JPEG, PNG or WebP'],
};

const LIMIT_NAMES: Readonly<Record<keyof ArchiveLimits, string>> = {
  maxArchiveBytes: 'max_archive_bytes',
  maxEntries: 'max_entries',
  maxEntryBytes: 'max_entry_bytes',
  maxTotalBytes: 'max_total_bytes',
  maxRatio: 'max_ratio',
  maxNameBytes: 'max_name_bytes',
  maxDepth: 'max_depth',
};
