import { AppError } from '../../common/errors.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const GIBIBYTE = 1024 * MEBIBYTE;

/** How much a labelled archive or folder may hold. A limit that is passed is an `AppError` that names it. */
export interface ArchiveLimits {
  /** Bytes of the zip itself. An upload may be stopped at the same figure while it arrives. */
  readonly maxArchiveBytes: number;
  /** Files and folders, noise included. */
  readonly maxEntries: number;
  /** Uncompressed bytes of one entry: what is held in memory at once for each image that is being read. */
  readonly maxEntryBytes: number;
  /** Uncompressed bytes of all entries together. */
  readonly maxTotalBytes: number;
  /** Uncompressed over compressed bytes of one entry of more than a mebibyte. */
  readonly maxRatio: number;
  /** Bytes of one entry's name, folders included: names are what is held of every entry at once. */
  readonly maxNameBytes: number;
  /** Folders in one another, around a file. */
  readonly maxDepth: number;
}

/**
 * The defaults, with their reasons: the classical sets of the field fit (CIFAR-10 has 60,000 images, Food-101 5 GB is
 * meant to be reduced first); a photo of 50 megapixels is 10 to 30 MB as JPEG; photos hardly shrink in a zip, and
 * even uncompressed drawings shrink less than 200 times, while deflate reaches 1,032 times on a bomb. A path of macOS has at
 * most 1,024 bytes, and one of Windows 260 characters.
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

/** A file of a data set before anything is known of its content. */
export interface SourceFile {
  /** Path from the root with `/` between segments, in Unicode NFC; for display and labels, never a path on disk. */
  readonly name: string;
  /** Uncompressed bytes; `read` gives exactly as many. */
  readonly bytes: number;
}

/** Why a source does not offer an entry. */
export type SourceIgnoreReason = 'symbolic_link' | 'special_file' | 'duplicate_name';

/** An entry that is listed but not offered. */
export interface IgnoredEntry {
  readonly name: string;
  readonly reason: SourceIgnoreReason;
}

/** @throws AppError `archive_too_large` when a file lies deeper than the limit; `name` is its path from the root */
export function checkDepth(name: string, limits: ArchiveLimits): void {
  const depth = name.split('/', limits.maxDepth + 2).length - 1;
  if (depth > limits.maxDepth) throw overLimit('maxDepth', depth, limits, name);
}

/** Where labelled images come from: a zip file or a folder. Opening it reads the names; `read` reads the content. */
export interface ImageSource {
  /** Every regular file once, sorted by name; names are unique and lead nowhere but below the root. */
  readonly files: readonly SourceFile[];
  readonly ignored: readonly IgnoredEntry[];
  /**
   * The content of a file of `files`; calls may overlap and repeat.
   * @throws AppError `archive_corrupt` when this one file is damaged or has changed; the others are not affected
   */
  read(file: SourceFile): Promise<Buffer>;
  /** Gives the file handle back. No read may be under way. */
  close(): Promise<void>;
}

/** The error for a limit that was passed; `limit` is its name in `ArchiveLimits`. */
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
  maxArchiveBytes: ['bytes as a file:', 'send fewer or smaller images'],
  maxEntries: ['entries:', 'send fewer files'],
  maxEntryBytes: ['bytes:', 'make large images smaller and leave out what is no image'],
  maxTotalBytes: ['bytes in all:', 'send fewer or smaller images'],
  maxNameBytes: ['bytes in its name:', 'shorten the names of files and folders'],
  maxDepth: ['folders in one another:', 'a folder per class is enough'],
  maxRatio: ['a compression ratio of', 'photos hardly shrink in a zip; send them as JPEG, PNG or WebP'],
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
