import { type Entry, getFileNameLowLevel } from 'yauzl';
import { AppError } from '../../common/errors.ts';
import type { NameEncoding } from './name-encoding.ts';

const UTF8_FLAG = 0x800;
const UNICODE_PATH_FIELD = 0x7075;

/**
 * The name of an entry in UTF-8, else undefined. It should be flagged as such, but the flag is often missing, and bytes
 * that are valid UTF-8 are hardly ever anything else.
 */
export function unicodeName(entry: Entry): string | undefined {
  if (entry.extraFields.some((field) => field.id === UNICODE_PATH_FIELD)) return lowLevelName(entry);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(entry.fileNameRaw);
  } catch {
    return undefined; // It is not UTF-8, whatever the flag says.
  }
}

/** The name of an entry by its Unicode field, else in code page 437. */
function lowLevelName(entry: Entry): string {
  return getFileNameLowLevel(entry.generalPurposeBitFlag & ~UTF8_FLAG, entry.fileNameRaw, entry.extraFields, true);
}

/** The name of an entry. @param encoding that of names that are not UTF-8 */
export function decodeName(entry: Entry, encoding: NameEncoding | undefined): string {
  const name = unicodeName(entry);
  if (name !== undefined) return name;
  return encoding === undefined || encoding === 'cp437'
    ? lowLevelName(entry)
    : new TextDecoder(encoding).decode(entry.fileNameRaw);
}

/**
 * Normalizes the name of an entry: NFC, `/` between segments, no empty or `.` segments.
 * @throws AppError `archive_unsafe` for a name that is absolute or contains `..` or NUL
 */
export function safeName(raw: string): string {
  // Old tools on Windows write backslashes between segments.
  const name = raw.normalize('NFC').replaceAll('\\', '/');
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
