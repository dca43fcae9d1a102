import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfig, settingsSchema } from '../src/config.ts';

describe('settings from the environment', () => {
  test('each has a default, so that an empty environment serves on loopback', () => {
    const config = readConfig({});
    expect(config.HOST).toBe('127.0.0.1');
    expect(config.PORT).toBe(8080);
    expect(isAbsolute(config.DATA_DIR)).toBe(true);
  });

  test('numbers are read from text, and an empty value counts as unset', () => {
    const config = readConfig({ PORT: '9000', QUEUE_LIMIT: '' });
    expect(config.PORT).toBe(9000);
    expect(config.QUEUE_LIMIT).toBe(readConfig({}).QUEUE_LIMIT);
  });

  test('every wrong one is named, with what was given', () => {
    expect(() => readConfig({ PORT: 'abc', MAX_BATCH_SIZE: '0' })).toThrow(/PORT=abc[\s\S]*MAX_BATCH_SIZE=0/);
  });

  test('README lists each with its default', () => {
    const readme = readFileSync('README.md', 'utf8');
    const defaults = settingsSchema.parse({});
    for (const [name, value] of Object.entries(defaults)) {
      expect(readme).toContain(`| \`${name}\` | ${value} |`);
    }
  });
});
