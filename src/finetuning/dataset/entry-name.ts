import { type Entry, getFileNameLowLevel } from 'yauzl';
import { AppError } from '../../common/errors.ts';
import { decodeText, type TextEncoding } from './text-encoding.ts';

const UTF8_FLAG = 0x800;
const UNICODE_PATH_FIELD = 0x7075;

/** How the names of an archive are read. */
export interface NameReading {
  /** The encoding of names that are not UTF-8. */
  readonly encoding: TextEncoding;
  /** Whether names that are not marked as UTF-8 are in `encoding` even if their bytes are valid UTF-8. */
  readonly overUnmarked: boolean;
}

/** Whether an entry says that its name is Unicode. */
export function isMarked({ generalPurposeBitFlag, extraFields }: Entry): boolean {
  return (generalPurposeBitFlag & UTF8_FLAG) !== 0 || extraFields.some((field) => field.id === UNICODE_PATH_FIELD);
}

/**
 * The name of an entry in UTF-8, else undefined. It should be marked as such, but the mark is often missing, and bytes
 * that are valid UTF-8 are hardly ever anything else.
 */
export function unicodeName(entry: Entry): string | undefined {
  if (entry.extraFields.some((field) => field.id === UNICODE_PATH_FIELD)) {
    const flags = entry.generalPurposeBitFlag & ~UTF8_FLAG;
    return getFileNameLowLevel(flags, entry.fileNameRaw, entry.extraFields, true);
  }
  try {
    return decodeText(entry.fileNameRaw, 'utf-8');
  } catch {
    return undefined; // It is not UTF-8, whatever the mark says.
  }
}

/** @throws AppError `invalid_request` when the name is not text in the encoding */
export function decodeName(entry: Entry, { encoding, overUnmarked }: NameReading): string {
  const unicode = overUnmarked && !isMarked(entry) ? undefined : unicodeName(entry);
  if (unicode !== undefined) return unicode;
  try {
    return decodeText(entry.fileNameRaw, encoding);
  } catch (thrown) {
    const shown = JSON.stringify(entry.fileNameRaw.toString('latin1').slice(0, 200));
    throw new AppError(
      'invalid_request',
      `encoding is ${encoding}, but the name ${shown} (its bytes as Latin-1) is no text in it: give another encoding, ` +
        'or none, so that it is detected',
      { context: { field: 'encoding' }, cause: thrown },
    );
  }
}

/**
 * The path that the name of an entry means: `/` between segments, no empty or `.` segments.
 * @throws AppError `archive_unsafe` for a name that is absolute or contains `..` or NUL
 */
export function safeName(raw: string): string {
  // Old tools on Windows write backslashes between segments.
  const name = raw.replaceAll('\\', '/');
  // The Finder shows a colon in the name of a folder as a slash: only before a slash it belongs to a drive.
  const absolute = name.startsWith('/') || /^[a-z]:\//i.test(name);
  const segments = name.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (absolute || segments.includes('..') || name.includes('\0')) {
    const shown = raw.slice(0, 200);
    throw new AppError(
      'archive_unsafe',
      `the entry ${JSON.stringify(shown)} leads out of the archive: ` +
        'names must be relative and without "..", for example "cat/1.jpg"',
      { context: { entry: shown } },
    );
  }
  return segments.join('/');
}

/**
 * The name by which a file is known: its path in NFC. Where another file has that name although its path is written
 * otherwise, both are kept, and the later one is known by its path in NFD.
 * @param pathOf the path of the file that is known by a name
 */
export function knownName(path: string, pathOf: (name: string) => string | undefined): string {
  const name = path.normalize('NFC');
  return (pathOf(name) ?? path) === path ? name : path.normalize('NFD');
}
