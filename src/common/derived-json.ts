import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { writeFileDurably } from './durable-files.ts';

/**
 * The text of a JSON file that can be made again: the value, and the SHA-256 of the value's JSON. A record with one
 * digit flipped is still valid JSON; the digest tells.
 */
export function derivedJson(value: unknown): string {
  return `${JSON.stringify({ sha256: digestOf(value), value }, null, 2)}\n`;
}

/** Writes what `readDerivedJson` reads, durably. The folder must exist. */
export async function writeDerivedJson(path: string, value: unknown): Promise<void> {
  await writeFileDurably(path, derivedJson(value));
}

/** The value of a file that `derivedJson` made; undefined where it is missing, damaged or not of the schema. */
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
