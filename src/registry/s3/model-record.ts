import { z } from 'zod';
import { isAlias, type StoredModel, versionNotFound } from '../artifact-store.ts';
import { VERSION_FILE } from '../version-folder.ts';

const storedFileSchema = z.strictObject({
  file: z.string().regex(VERSION_FILE),
  size_bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const versionSchema = z.strictObject({
  key: z.string(),
  created_at: z.string(),
  /** Its files are the objects below `files/<name>/<folder>/`. */
  folder: z.uuid(),
  files: z.array(storedFileSchema).min(1),
});

/** A number that was given out: reserved for a key, used by a version, or removed by a call that has an id. */
const numberSchema = z.union([
  z.strictObject({ reserved: z.string() }),
  z.strictObject({ removed: z.string() }),
  versionSchema,
]);

/**
 * All that is known of a model: its numbers and aliases, in one object of the bucket. What concerns two of them, such as
 * removing a version that no alias points to, is thereby one conditional write.
 */
export const modelRecordSchema = z.strictObject({
  schema: z.literal(1),
  numbers: z.record(z.string().regex(/^[1-9]\d{0,8}$/), numberSchema),
  aliases: z.record(z.string().refine(isAlias), z.int().positive()),
});

export type ModelRecord = z.output<typeof modelRecordSchema>;
export type VersionEntry = z.output<typeof versionSchema>;
export type FileEntry = z.output<typeof storedFileSchema>;

/** The record of a model that was never heard of. */
export const NO_RECORD: ModelRecord = { schema: 1, numbers: {}, aliases: {} };

/** The version of a number, if there is one. */
export function versionIn({ numbers }: ModelRecord, version: number): VersionEntry | undefined {
  const entry = Object.hasOwn(numbers, version) ? numbers[String(version)] : undefined;
  return entry !== undefined && 'folder' in entry ? entry : undefined;
}

/** All versions, ascending. */
export function versionsIn(record: ModelRecord): [number, VersionEntry][] {
  return Object.keys(record.numbers)
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((number): [number, VersionEntry][] => {
      const entry = versionIn(record, number);
      return entry === undefined ? [] : [[number, entry]];
    });
}

/** The model as a store shows it. It may have no version. */
export function asStoredModel(name: string, record: ModelRecord): StoredModel {
  const versions = versionsIn(record).map(([number]) => number);
  const aliases = Object.fromEntries(Object.entries(record.aliases).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { name, versions, aliases, damagedAliases: {} };
}

/** The version that a key has. */
export function versionOfKey(record: ModelRecord, key: string): [number, VersionEntry] | undefined {
  return versionsIn(record).find(([, version]) => version.key === key);
}

/** The number that a key has, be it reserved or used. */
export function numberOfKey({ numbers }: ModelRecord, key: string): number | undefined {
  const found = Object.entries(numbers).find(([, entry]) => {
    if ('folder' in entry) return entry.key === key;
    return 'reserved' in entry && entry.reserved === key;
  });
  return found && Number(found[0]);
}

/** The number that comes after all that were ever given out. */
export function nextNumber({ numbers }: ModelRecord): number {
  return Math.max(0, ...Object.keys(numbers).map(Number)) + 1;
}

/** The record with another entry for a number. */
export function withNumber(record: ModelRecord, number: number, entry: ModelRecord['numbers'][string]): ModelRecord {
  return { ...record, numbers: { ...record.numbers, [number]: entry } };
}

/** The record with an alias that points to a version, or without the alias. */
export function withAlias(record: ModelRecord, alias: string, version: number | undefined): ModelRecord {
  const others = Object.entries(record.aliases).filter(([known]) => known !== alias);
  return { ...record, aliases: Object.fromEntries(version === undefined ? others : [...others, [alias, version]]) };
}

/** @throws AppError `version_not_found` */
export function requireVersion(name: string, record: ModelRecord, version: number): VersionEntry {
  const found = versionIn(record, version);
  if (found === undefined) throw versionNotFound(asStoredModel(name, record), version);
  return found;
}
