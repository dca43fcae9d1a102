import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readConfig, settingsSchema } from '../src/config.ts';

describe('settings from the environment', () => {
  test('each has a default, so that an empty environment serves on loopback', () => {
    const config = readConfig({});
    expect(config.host).toBe('127.0.0.1');
    expect(config.port).toBe(8080);
    expect(isAbsolute(config.dataDir)).toBe(true);
  });

  test('numbers are read from text, and an empty value counts as unset', () => {
    const config = readConfig({ PORT: '9000', QUEUE_LIMIT: '' });
    expect(config.port).toBe(9000);
    expect(config.queueLimit).toBe(readConfig({}).queueLimit);
  });

  test('every wrong one is named, with what was given', () => {
    expect(() => readConfig({ PORT: 'abc', MAX_BATCH_SIZE: '0' })).toThrow(/PORT=abc[\s\S]*MAX_BATCH_SIZE=0/);
  });

  test('README lists each with its default, range and description', () => {
    const rows = readFileSync('README.md', 'utf8').match(/^\| `[A-Z_]+` \|.*$/gm);
    expect(rows?.join('\n')).toBe(Object.entries(settingsSchema.shape).map(tableRow).join('\n'));
  });
});

/** A setting as a row of README's table. */
function tableRow([name, schema]: [string, z.ZodDefault<z.ZodType>]): string {
  const type = schema.unwrap();
  const range = type instanceof z.ZodNumber ? `${type.minValue} to ${type.maxValue}` : '';
  return `| \`${name}\` | ${schema.parse(undefined)} | ${range} | ${schema.description} |`;
}
