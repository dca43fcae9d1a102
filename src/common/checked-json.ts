import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { writeFileDurably } from './durable-files.ts';

/**
 * The text of a JSON file with a value and the SHA-256 of its JSON, which shows damage that leaves the file valid JSON,
 * such as a changed digit.
 */
export function checkedJson(value: unknown): string {
  return `${JSON.stringify({ sha256: digestOf(value), value }, null, 2)}\n`;
}

/** Writes a file for `readCheckedJson`, durably. The folder must exist. */
export async function writeCheckedJson(path: string, value: unknown): Promise<void> {
  await writeFileDurably(path, checkedJson(value));
}

/** The value in a file of `checkedJson`; undefined when it is missing, damaged or does not fit the schema. */
export async function readCheckedJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return parseCheckedJson(await readFile(path, 'utf8'), schema);
  } catch {
    return undefined;
  }
}

/** The value in a text of `checkedJson`. @throws Error when the text is damaged or the value does not fit the schema */
export function parseCheckedJson<T>(text: string, schema: z.ZodType<T>): T {
  const { sha256, value } = JSON.parse(text) as { sha256?: unknown; value?: unknown };
  if (value === undefined || sha256 !== digestOf(value)) throw new Error('its value and its SHA-256 do not match');
  return schema.parse(value);
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
