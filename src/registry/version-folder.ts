import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { writeFileDurably } from '../common/durable-files.ts';
import { digestFile } from '../common/file-digest.ts';
import { describeIssues } from './manifest.ts';

const RECORD_FILE = 'version.json';

/** Names of a version's files: single segments of a path, not hidden. */
export const VERSION_FILE = /^[A-Za-z0-9][\w.-]{0,127}$/;

const fileRecordSchema = z.object({
  file: z.string().regex(VERSION_FILE),
  size_bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Modification time in milliseconds. A file that still has this time and size is not hashed again. */
  mtime_ms: z.number(),
});

/** `version.json` on disk: the key of a version and its files. */
const versionRecordSchema = z.object({
  schema: z.literal(1),
  key: z.string(),
  created_at: z.string(),
  files: z.array(fileRecordSchema),
});

/** A parsed `version.json`. */
export type VersionRecord = z.output<typeof versionRecordSchema>;

/** One file of a parsed `version.json`. */
export type FileRecord = z.output<typeof fileRecordSchema>;

/** Reads the record in the folder of a version. @throws Error that names each field that is wrong */
export async function readVersionRecord(folder: string): Promise<VersionRecord> {
  const parsed = versionRecordSchema.safeParse(JSON.parse(await readFile(join(folder, RECORD_FILE), 'utf8')));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  return parsed.data;
}

/**
 * Names of the files in a folder that is to become a version, ascending.
 * @throws Error when the folder is empty or holds anything but plain files
 */
export async function versionFilesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (entries.length === 0) throw new Error(`${folder} is empty, but a version needs files`);
  const wrong = entries.find(
    (entry) => !entry.isFile() || !VERSION_FILE.test(entry.name) || entry.name === RECORD_FILE,
  );
  if (wrong !== undefined) {
    throw new Error(
      `${wrong.name} in ${folder} cannot be part of a version: only plain files can, except ${RECORD_FILE}`,
    );
  }
  return entries.map(({ name }) => name).sort();
}

/**
 * Copies the files of a folder into an empty one, adds the record that describes them, and waits until everything is
 * on the disk.
 * @throws Error when the folder is empty or holds anything but plain files
 */
export async function writeVersionFolder(from: string, to: string, key: string): Promise<void> {
  const files: FileRecord[] = [];
  for (const file of await versionFilesIn(from)) files.push(await copyFile(from, to, file));
  const record: VersionRecord = { schema: 1, key, created_at: new Date().toISOString(), files };
  await writeFileDurably(join(to, RECORD_FILE), JSON.stringify(record, null, 2));
}

/** Copies and hashes a file in one pass. */
async function copyFile(from: string, to: string, file: string): Promise<FileRecord> {
  const hash = createHash('sha256');
  const hashed = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const target = join(to, file);
  await pipeline(createReadStream(join(from, file)), hashed, createWriteStream(target, { flags: 'wx', flush: true }));
  const { size, mtimeMs } = await stat(target);
  return { file, size_bytes: size, sha256: hash.digest('hex'), mtime_ms: mtimeMs };
}

/** Compares files with their records. It hashes only those that have changed since they were last verified. */
export class FileVerifier {
  /** Size and time of verified files whose time is not that of the record, such as files restored from a backup. */
  readonly #verified = new Map<string, string>();

  /** @throws Error that says how the file differs from its record */
  async verify(path: string, { sha256, size_bytes, mtime_ms }: FileRecord): Promise<void> {
    const { size, mtimeMs } = await stat(path);
    if (size !== size_bytes) throw new Error(`it has ${size} bytes, not ${size_bytes}`);
    const state = `${size} ${mtimeMs}`;
    if (mtimeMs === mtime_ms || this.#verified.get(path) === state) return;
    const found = await digestFile(path);
    if (found.sha256 !== sha256) throw new Error(`its SHA-256 is ${found.sha256}, not ${sha256}`);
    this.#verified.set(path, state);
  }
}
