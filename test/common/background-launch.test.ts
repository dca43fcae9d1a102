import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { backgroundLaunch } from '../../src/common/background-launch.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-background-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

test('starts a script that can talk to its parent', async () => {
  const script = join(folder, 'echo.js');
  await writeFile(script, "process.on('message', (message) => process.send(message, () => process.disconnect()));");
  const child = fork(script, { ...(await backgroundLaunch()) });
  child.send('hello');
  expect(await once(child, 'message')).toContain('hello');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test.skipIf(process.platform !== 'linux')('puts every thread of the process behind all others', async () => {
  const script = join(folder, 'wait.js');
  await writeFile(script, "process.send('ready'); process.on('disconnect', () => process.exit(0));");
  const child = fork(script, { ...(await backgroundLaunch()) });
  await once(child, 'message');
  const tasks = `/proc/${child.pid}/task`;
  const threads = readdirSync(tasks);
  expect(threads.length).toBeGreaterThan(1);
  for (const thread of threads) {
    const fields = readFileSync(join(tasks, thread, 'stat'), 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [niceness, policy] = [fields[16], fields[38]];
    // SCHED_IDLE, or the lowest priority where there is no program that sets it.
    expect(policy === '5' || niceness === '19').toBe(true);
  }
  child.disconnect();
  await once(child, 'exit');
});

test('where no program sets priorities, the process lowers its own', async () => {
  const script = join(folder, 'wait.js');
  await writeFile(script, "process.send('ready'); process.on('disconnect', () => process.exit(0));");
  vi.stubEnv('PATH', folder);
  vi.resetModules();
  const { backgroundLaunch: launchWithoutPrograms } = await import('../../src/common/background-launch.ts');
  const launch = await launchWithoutPrograms();
  expect(launch.execPath).toBe(process.execPath);
  const child = fork(script, { ...launch });
  await once(child, 'message');
  expect(getPriority(child.pid)).toBe(19);
  child.disconnect();
  await once(child, 'exit');
});
