import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { menagerie } from './run.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-keys-'));
});
afterEach(() => rm(folder, { recursive: true }));

const keys = (...args: string[]) => menagerie(['keys', ...args], { DATA_DIR: join(folder, 'data') });

describe('menagerie keys', () => {
  test('creates a key and prints it alone, so that a script can take it', async () => {
    const { code, stdout, stderr } = await keys('create', 'laptop', '--scope', 'teach');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mng_[\da-f]{12}_[\w-]{43}\n$/);
    expect(stderr).toContain('"laptop" with the scope teach');
  });

  test('lists keys without their secrets, and revokes them', async () => {
    const { stdout } = await keys('create', 'laptop');
    expect((await keys('revoke', 'laptop')).stdout).toBe('laptop: revoked\n');
    const table = (await keys('list')).stdout;
    expect(table).toMatch(/^name +scope +id +created +revoked\nlaptop +classify +[\da-f]{12} /);
    expect(table).not.toContain(stdout.trim());
    const { keys: listed } = JSON.parse((await keys('list', '--json')).stdout);
    expect(listed).toMatchObject([{ name: 'laptop', scope: 'classify', revoked_at: expect.any(String) }]);
    expect(JSON.stringify(listed)).not.toContain('sha256');
  });

  test.each([
    [['create'], 2, 'a name for the key'],
    [['create', 'a b'], 2, '"a b" is no name'],
    [['create', 'a', '--scope', 'root'], 2, 'classify, teach, admin'],
    [['forget', 'a'], 2, 'there is no action forget: create, list or revoke'],
    [['revoke', 'a'], 1, 'there is no valid key "a"'],
  ] as const)('says what is wrong: %j', async (args, code, message) => {
    const outcome = await keys(...args);
    expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringContaining(message)]);
  });

  test('is what serve asks for before it opens the server to others', async () => {
    const { code, stderr } = await menagerie(['serve'], { HOST: '0.0.0.0', PORT: '0', DATA_DIR: join(folder, 'data') });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/HOST=0\.0\.0\.0 opens.*\n.*keys create my-laptop --scope admin/),
    ]);
  });

  test('says that there is no key, and how to make one', async () => {
    expect((await keys('list')).stdout).toContain('npx menagerie keys create');
  });
});
