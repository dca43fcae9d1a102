import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { writeFileDurably } from './durable-files.ts';

/**
 * The text of a JSON file that can be made again: a value and the SHA-256 of its JSON, which shows damage that leaves
 * the file valid JSON, such as a changed digit.
 */
export function derivedJson(value: unknown): string {
  return `${JSON.stringify({ sha256: digestOf(value), value }, null, 2)}\n`;
}

/** Writes a file for `readDerivedJson`, durably. The folder must exist. */
export async function writeDerivedJson(path: string, value: unknown): Promise<void> {
  await writeFileDurably(path, derivedJson(value));
}

/** The value in a file of `derivedJson`; undefined when it is missing, damaged or does not fit the schema. */
export async function readDerivedJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    const { sha256, value } = JSON.parse(await readFile(path, 'utf8')) as { sha256?: unknown; value?: unknown };
    return sha256 === digestOf(value) ? schema.parse(value) : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
