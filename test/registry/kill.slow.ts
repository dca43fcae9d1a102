import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { FileArtifactStore } from '../../src/registry/file-artifact-store.ts';

const DRIVER = new URL('crash-driver.js', import.meta.url).pathname;

test('a store that is killed keeps every version that it acknowledged, and no incomplete one', async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'models-'));
  const folder = join(temporary, 'models');
  const put = new Map<number, string>();
  let aliased = 0;
  for (let round = 0; round < 8; round += 1) {
    const child = spawn(process.execPath, [DRIVER, temporary, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const killedBy = new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal)));
    let lines = 0;
    for await (const line of createInterface(child.stdout)) {
      const fact: { version: number; key?: string } = JSON.parse(line);
      if (fact.key === undefined) aliased = fact.version;
      else put.set(fact.version, fact.key);
      lines += 1;
      if (lines === 1 + ((round * 5) % 12)) child.kill('SIGKILL');
    }
    expect(await killedBy).toBe('SIGKILL');
  }

  const reopened = await FileArtifactStore.open(folder, createLogger('silent'));
  const { versions, aliases } = await reopened.get('trees');
  for (const [version, key] of put) expect(await reopened.getVersion('trees', version)).toMatchObject({ key });
  for (const version of versions) {
    const { key, files } = await reopened.getVersion('trees', version);
    const path = await reopened.localFile('trees', version, 'weights.safetensors');
    expect(await readFile(path, 'utf8')).toBe(key.repeat(10_000));
    expect((await stat(path)).size).toBe(files[0]?.sizeBytes);
  }
  expect(aliases['production']).toBeGreaterThanOrEqual(aliased);
  expect(versions).toContain(aliases['production']);
  expect(aliases['candidate']).toBeGreaterThanOrEqual(Math.max(...put.keys()));
  // A job that runs again finishes what its first attempt could not.
  const newest = versions.at(-1) ?? 0;
  await reopened.putVersion('trees', folder, (await reopened.getVersion('trees', newest)).key);
  expect((await reopened.get('trees')).aliases['candidate']).toBe(newest);
  expect(await readdir(join(folder, '.staging'))).toEqual([]);
  await rm(temporary, { recursive: true });
});
