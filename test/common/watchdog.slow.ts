import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WATCHED_STDIO, Watchdog } from '../../src/common/watchdog.ts';

/** Far less than the default: these tests wait for it. */
const SILENCE_MS = 3_000;

let folder: string;
let script: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-watchdog-'));
  script = join(folder, 'child.mjs');
  const watchdog = new URL('../../dist/src/common/watchdog.js', import.meta.url).href;
  await writeFile(
    script,
    `import { startHeartbeat } from ${JSON.stringify(watchdog)};
     startHeartbeat();
     process.on('message', ({ busyMs }) => {
       const end = Date.now() + busyMs;
       while (Date.now() < end);
       process.send('done');
     });
     process.send('ready');`,
  );
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(folder, { recursive: true }));

/** A child that computes without a break for as long as it is told, and then says so. */
async function watchedChild(): Promise<{ child: ChildProcess; watchdog: Watchdog; verdicts: string[] }> {
  const child = fork(script, { stdio: WATCHED_STDIO, execArgv: [] });
  children.push(child);
  const verdicts: string[] = [];
  const watchdog = new Watchdog(child, (verdict) => verdicts.push(verdict), { silenceLimitMs: SILENCE_MS });
  const heartbeat = once(child.stdio[4] ?? child, 'data');
  await once(child, 'message');
  await heartbeat;
  return { child, watchdog, verdicts };
}

async function compute(child: ChildProcess, busyMs: number): Promise<void> {
  child.send({ busyMs });
  await once(child, 'message');
}

describe('a watched process', () => {
  test('that is stopped is killed, and the verdict says why', async () => {
    const { child, watchdog, verdicts } = await watchedChild();
    child.kill('SIGSTOP');
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(watchdog.verdict).toBe('it sent no heartbeat for 3 s');
    expect(verdicts).toEqual([watchdog.verdict]);
  });

  test('that is stopped before its first heartbeat is killed too', async () => {
    const child = fork(script, { stdio: WATCHED_STDIO, execArgv: [] });
    children.push(child);
    child.kill('SIGSTOP');
    const watchdog = new Watchdog(child, undefined, { startLimitMs: 500 });
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(watchdog.verdict).toBe('it took longer than 0.5 s for its start');
  });

  test('may compute without a break for longer than it may be silent', async () => {
    const { child, watchdog } = await watchedChild();
    await compute(child, 2 * SILENCE_MS);
    expect(watchdog.verdict).toBeUndefined();
  });

  test('is killed when a piece of work takes longer than its bound', async () => {
    const { child, watchdog } = await watchedChild();
    watchdog.expect('an endless loop', 1_000);
    child.send({ busyMs: 60_000 });
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(watchdog.verdict).toBe('it took longer than 1 s for an endless loop');
  });

  test('lives on when the work ends within its bound, and the time it took is known', async () => {
    const { child, watchdog } = await watchedChild();
    const done = watchdog.expect('a short loop', 3_000);
    await compute(child, 500);
    expect(done()).toBeGreaterThan(400);
    await compute(child, 3_500);
    expect(watchdog.verdict).toBeUndefined();
  });

  test('loses no time while its parent does not run', async () => {
    const { child, watchdog } = await watchedChild();
    const done = watchdog.expect('a long sleep', SILENCE_MS);
    // As after Ctrl+Z and fg, or when the machine was suspended: no heartbeat was read and no tick came meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * SILENCE_MS);
    await compute(child, 0);
    expect(done()).toBeLessThan(SILENCE_MS);
    expect(watchdog.verdict).toBeUndefined();
  });
});
