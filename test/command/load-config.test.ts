import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig, warnOfUnknownSettings } from '../../src/command/load-config.ts';
import { createLogger } from '../../src/common/logger.ts';

const folder = mkdtempSync(join(tmpdir(), 'menagerie-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(text: string, environment: Readonly<Record<string, string>> = {}) {
  const path = join(folder, 'menagerie.yaml');
  writeFileSync(path, text);
  return loadConfig(environment, path);
}

describe('settings in a file', () => {
  test('have the names of the environment, which comes first', async () => {
    const text = '# ours\nPORT: 9000\nTRUST_PROXY: true\nALLOWED_HOSTS: zoo.example\nMAX_IMAGES:\n';
    const config = await load(text, { PORT: '9001' });
    expect(config).toMatchObject({ port: 9001, trustProxy: 1, allowedHosts: 'zoo.example', maxImages: 64 });
  });

  test('may be none', async () => {
    expect((await load('# nothing yet\n')).port).toBe(8080);
  });

  test('that do not exist are named with their line and the nearest that does', async () => {
    const wrong = load('PORT: 9000\nMAX_BATCHSIZE: 8\nCOLOUR: red\n');
    await expect(wrong).rejects.toThrow(
      /menagerie\.yaml:2: there is no setting MAX_BATCHSIZE; is it MAX_BATCH_SIZE\?\n.*menagerie\.yaml:3: there is no setting COLOUR$/,
    );
  });

  test('with wrong values are named with their line', async () => {
    await expect(load('# a comment\nPORT: 9000\nMAX_IMAGES: 0\n')).rejects.toThrow(/menagerie\.yaml:3: MAX_IMAGES=0: /);
    await expect(load('PORT: [1, 2]\n')).rejects.toThrow(/menagerie\.yaml:1: PORT must be a text, a number/);
    await expect(load('PORT: 1\nPORT: 2\n')).rejects.toThrow(/menagerie\.yaml:2: /);
    await expect(load('just words\n')).rejects.toThrow(/one setting on each line, such as "PORT: 8080"/);
    await expect(load('PORT: "8080\n')).rejects.toThrow(/menagerie\.yaml:\d: /);
  });

  test('need a file that can be read', async () => {
    await expect(loadConfig({}, join(folder, 'none.yaml'))).rejects.toThrow(/cannot be read: .*none\.yaml/);
  });
});

test('the log has no values, which may be secrets', () => {
  const lines: string[] = [];
  const logger = createLogger('warn', { write: (line) => void lines.push(line) });
  warnOfUnknownSettings({ MENAGERIE_PASSWORD: 's3cret', MAX_BATCHSIZE: '8' }, logger);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain('is it MAX_BATCH_SIZE?');
  expect(lines.join()).not.toContain('s3cret');
});
