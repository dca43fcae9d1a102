import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { processCpu } from '../../src/metrics/process-cpu.ts';

const secondsOf = async (name: string) =>
  (await processCpu([{ index: 0, pid: undefined }])).find(({ process: each }) => each === name)?.seconds;

test('the CPU time of this process grows with its work', async () => {
  const before = (await secondsOf('server')) ?? Number.NaN;
  const end = performance.now() + 60;
  while (performance.now() < end);
  expect((await secondsOf('server')) ?? 0).toBeGreaterThan(before);
});

test.skipIf(process.platform !== 'linux')(
  'that of children stays when they have ended (Linux alone tells)',
  async () => {
    const before = (await secondsOf('others')) ?? Number.NaN;
    const child = spawn(process.execPath, ['-e', 'const end = Date.now() + 100; while (Date.now() < end);']);
    await once(child, 'exit');
    expect((await secondsOf('others')) ?? 0).toBeGreaterThan(before);
    expect(await secondsOf('engine-0')).toBe(0);
  },
);
