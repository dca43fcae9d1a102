import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import type { Entry } from 'yauzl';
import { AppError, messageOf } from '../../common/errors.ts';
import { KIND_BYTES, sniffKind } from '../../common/file-kind.ts';
import { fileBytes, openZip } from '../../common/open-zip.ts';
import { startsLikeImage } from '../../image/formats.ts';
import { detectEncoding } from './detect-encoding.ts';
import { decodeName, isMarked, knownName, type NameReading, safeName, unicodeName } from './entry-name.ts';
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
import type { TextEncoding } from './text-encoding.ts';

const inflate = promisify(inflateRaw);

const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER_SIGNATURE = 0x04034b50;
/**
 * The limit on the ratio does not apply to smaller entries: they cannot fill memory, and blank drawings compress well.
 */
const RATIO_FREE_BYTES = 1024 * 1024;

/** In these, valid UTF-8 is an accident. */
const MULTI_BYTE: readonly TextEncoding[] = ['shift_jis', 'gbk', 'big5', 'euc-kr'];

const FILE_TYPE_MASK = 0o170000;
const REGULAR_FILE = 0o100000;
const FOLDER = 0o040000;
const SYMBOLIC_LINK = 0o120000;

/** Where the bytes of an entry are and what is expected of them, from the central directory. */
interface ZippedFile extends SourceFile {
  /** As it is written in the archive, which may differ from `name` in its Unicode normalization. */
  readonly path: string;
  readonly headerOffset: number;
  readonly compressedBytes: number;
  readonly deflated: boolean;
  readonly crc: number;
}

/**
 * Opens a zip as a source of images. Nothing is extracted: entries are read from the archive in any order and as often
 * as needed, and their names never become paths.
 *
 * The limits are checked against the sizes in the central directory before anything is inflated. `read` inflates no
 * more than these sizes, and refuses content whose size or CRC-32 differs.
 *
 * @param encoding that of names that are not marked as UTF-8; detected when it is not given
 * @throws AppError `archive_too_large`, `archive_bomb`, `archive_unsafe`, `archive_encrypted`, `archive_corrupt`,
 * `unsupported_archive`; `invalid_request` when a name is no text in `encoding`
 */
export async function openArchive(
  path: string,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
  encoding?: TextEncoding,
): Promise<ImageSource> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    if (size > limits.maxArchiveBytes) throw overLimit('maxArchiveBytes', size, limits);
    await refuseOtherFormats(handle);
    const detected = encoding === undefined ? await detectReading(handle, limits) : undefined;
    const reading = detected ?? { encoding: encoding ?? 'cp437', overUnmarked: encoding !== undefined };
    const { files, ignored, folders } = await readDirectory(handle, size, limits, reading);
    return {
      files: [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      ignored,
      emptyFolders: withoutFiles(folders, files.keys()),
      ...(detected === undefined ? {} : { nameEncoding: detected.encoding }),
      read: async ({ name }) => {
        const file = files.get(name);
        if (file === undefined) throw new Error(`${name} is not a file of this archive`);
        return await readEntry(handle, file);
      },
      close: () => handle.close(),
    };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

/** Refuses other kinds of files, by their bytes; a file that begins like a zip is left to the parser. */
async function refuseOtherFormats(handle: FileHandle): Promise<void> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(KIND_BYTES), 0, KIND_BYTES, 0);
  if (bytesRead === 0)
    throw new AppError('archive_corrupt', 'the archive is empty: send a zip with a folder per class');
  if (buffer.toString('latin1', 0, 2) === 'PK') return;
  const start = buffer.subarray(0, bytesRead);
  const found = sniffKind(start);
  if (startsLikeImage(start)) {
    throw notZip(
      'a single image',
      'send a .zip with a folder of images per class, at least five of each; POST /classify takes single images',
    );
  }
  if (found?.kind === 'archive') throw notZip(found.words, 'unpack it, and send its folder as a .zip');
  throw notZip(found?.words, 'send a .zip (not .tar.gz, .rar or .7z) with a folder per class');
}

function notZip(what: string | undefined, remedy: string): AppError {
  const is = what === undefined ? 'is not a zip archive' : `is ${what}, not a zip archive`;
  return new AppError('unsupported_archive', `the file ${is}: ${remedy}`);
}

async function readDirectory(
  handle: FileHandle,
  archiveBytes: number,
  limits: ArchiveLimits,
  reading: NameReading,
): Promise<{ files: Map<string, ZippedFile>; ignored: IgnoredEntry[]; folders: Set<string> }> {
  const files = new Map<string, ZippedFile>();
  const folders = new Set<string>();
  const ignored: IgnoredEntry[] = [];
  let totalBytes = 0;
  let totalCompressed = 0;
  for await (const entry of centralDirectory(handle, limits)) {
    if (entry.fileNameRaw.length > limits.maxNameBytes) {
      throw overLimit('maxNameBytes', entry.fileNameRaw.length, limits, entry.fileNameRaw.toString('latin1'));
    }
    const decoded = decodeName(entry, reading);
    const path = safeName(decoded);
    const name = knownName(path, (known) => files.get(known)?.path);
    checkDepth(name, limits);
    refuseUnreadable(entry, name, archiveBytes);
    const { compressedSize, uncompressedSize } = entry;
    if (uncompressedSize > limits.maxEntryBytes) throw overLimit('maxEntryBytes', uncompressedSize, limits, name);
    const ratio = uncompressedSize / Math.max(1, compressedSize);
    if (uncompressedSize > RATIO_FREE_BYTES && ratio > limits.maxRatio) {
      throw overLimit('maxRatio', ratio, limits, name);
    }
    totalBytes += uncompressedSize;
    if (totalBytes > limits.maxTotalBytes) throw overLimit('maxTotalBytes', totalBytes, limits);
    totalCompressed += compressedSize;
    if (totalCompressed > archiveBytes) {
      throw new AppError(
        'archive_bomb',
        'several entries of the archive share the same bytes: create it again with a common tool',
      );
    }

    const kind = kindOf(entry, decoded);
    if (kind === 'folder') {
      folders.add(path.normalize('NFC'));
      continue;
    }
    if (kind !== 'file') {
      ignored.push({ name, reason: kind });
      continue;
    }
    // Of several entries with one name the last one is used, as by every unpacker.
    if (files.has(name)) ignored.push({ name, reason: 'duplicate_name' });
    files.set(name, {
      name,
      path,
      bytes: uncompressedSize,
      headerOffset: entry.relativeOffsetOfLocalHeader,
      compressedBytes: compressedSize,
      deflated: entry.compressionMethod === DEFLATED,
      crc: entry.crc32,
    });
  }
  return { files, ignored, folders };
}

/** The entries of the central directory. Errors of the parser become `archive_corrupt`. */
async function* centralDirectory(handle: FileHandle, limits: ArchiveLimits): AsyncGenerator<Entry> {
  try {
    // Names stay raw: the parser would stop at the first name that it refuses.
    const zip = await openZip(await fileBytes(handle), { decodeStrings: false, autoClose: false });
    if (zip.entryCount > limits.maxEntries) throw overLimit('maxEntries', zip.entryCount, limits);
    for await (const entry of zip.eachEntry()) yield entry;
  } catch (thrown) {
    if (thrown instanceof AppError) throw thrown;
    const message = messageOf(thrown);
    if (message.includes('encryption')) throw encrypted('the archive');
    throw new AppError('archive_corrupt', `the zip cannot be read, it may have been cut off: ${message}`, {
      cause: thrown,
    });
  }
}

/**
 * How the names that are not UTF-8 are read; undefined when all are UTF-8. One tool writes all names in one encoding,
 * so unmarked names that happen to be valid UTF-8, as some of two bytes are, are read in that of the others if they
 * make sense in it.
 */
async function detectReading(handle: FileHandle, limits: ArchiveLimits): Promise<NameReading | undefined> {
  const legacy: Buffer[] = [];
  const unmarked: Buffer[] = [];
  for await (const entry of centralDirectory(handle, limits)) {
    if (entry.fileNameRaw.length > limits.maxNameBytes) continue;
    if (!isMarked(entry)) unmarked.push(entry.fileNameRaw);
    if (unicodeName(entry) === undefined) legacy.push(entry.fileNameRaw);
  }
  if (legacy.length === 0) return undefined;
  const encoding = detectEncoding(legacy, 'cp437');
  const overUnmarked = MULTI_BYTE.includes(encoding) && detectEncoding([...legacy, ...unmarked], 'cp437') === encoding;
  return { encoding, overUnmarked };
}

function refuseUnreadable(entry: Entry, name: string, archiveBytes: number): void {
  if (entry.isEncrypted()) throw encrypted(JSON.stringify(name));
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw new AppError(
      'unsupported_archive',
      `${JSON.stringify(name)} has the unsupported compression method ${entry.compressionMethod}: ` +
        'create the zip with deflate, or without compression',
      { context: { entry: name, method: entry.compressionMethod } },
    );
  }
  if (entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.compressedSize > archiveBytes) {
    throw new AppError('archive_corrupt', `the archive ends before the content of ${JSON.stringify(name)}`, {
      context: { entry: name },
    });
  }
}

function encrypted(what: string): AppError {
  return new AppError('archive_encrypted', `${what} is encrypted: send a zip without a password`);
}

/** Links and devices are marked by the Unix mode in the upper half of the attributes, which is 0 from other tools. */
function kindOf(entry: Entry, decodedName: string): 'file' | 'folder' | 'symbolic_link' | 'special_file' {
  const type = (entry.externalFileAttributes >>> 16) & FILE_TYPE_MASK;
  if (type === SYMBOLIC_LINK) return 'symbolic_link';
  if (type === FOLDER || /[/\\]$/.test(decodedName)) return 'folder';
  return type === 0 || type === REGULAR_FILE ? 'file' : 'special_file';
}

async function readEntry(handle: FileHandle, file: ZippedFile): Promise<Buffer> {
  const header = await readExactly(handle, file, file.headerOffset, LOCAL_HEADER_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_HEADER_SIGNATURE) throw damaged(file, 'its header is missing');
  // Name and extra field of the local header may differ in length from those of the central directory.
  const start = file.headerOffset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  const packed = await readExactly(handle, file, start, file.compressedBytes);
  const content = file.deflated ? await inflateUpTo(packed, file) : packed;
  if (content.length !== file.bytes) throw damaged(file, `it has ${content.length} bytes instead of ${file.bytes}`);
  if (crc32(content) !== file.crc) throw damaged(file, 'its checksum (CRC-32) is wrong');
  return content;
}

async function readExactly(handle: FileHandle, file: ZippedFile, position: number, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead < length) throw damaged(file, 'the archive ends within it');
  return buffer;
}

async function inflateUpTo(packed: Buffer, file: ZippedFile): Promise<Buffer> {
  try {
    return await inflate(packed, { maxOutputLength: Math.max(1, file.bytes) });
  } catch (thrown) {
    const tooLong = thrown instanceof RangeError;
    throw damaged(file, tooLong ? `it has more than the declared ${file.bytes} bytes` : messageOf(thrown));
  }
}

function damaged(file: ZippedFile, reason: string): AppError {
  return new AppError('archive_corrupt', `${JSON.stringify(file.name)} is damaged in the archive: ${reason}`, {
    context: { entry: file.name },
  });
}
