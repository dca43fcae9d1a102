import { execFileSync } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { toSafetensors } from '../../src/acquire/to-safetensors.ts';

let folder: string;
let to: string;
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'to-safetensors-'));
  to = join(folder, 'model.safetensors');
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

test('a file that is no checkpoint is refused, and leaves nothing', async () => {
  const from = join(folder, 'checkpoint');
  await writeFile(from, 'text');
  await expect(toSafetensors({ type: 'pytorch', from, to }, never)).rejects.toThrow();
  expect(existsSync(to)).toBe(false);
});

test.skipIf(process.platform === 'win32')(
  'a conversion that hangs ends with an error, or when it is aborted',
  async () => {
    // Reading a pipe that nobody writes to blocks the thread in the system, where it cannot be terminated.
    const from = join(folder, 'pipe');
    execFileSync('mkfifo', [from]);
    await writeFile(to, 'half');
    const release = async () => await (await open(from, constants.O_RDWR | constants.O_NONBLOCK)).close();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const hanging = toSafetensors({ type: 'pytorch', from, to }, never);
    const outcome = expect(hanging).rejects.toThrow('pipe was not converted within 300 s');
    await expect.poll(() => vi.getTimerCount()).toBeGreaterThan(0);
    vi.advanceTimersByTime(3_600_000);
    await outcome;
    expect(existsSync(to)).toBe(false);
    await release();

    const controller = new AbortController();
    const cancelled = toSafetensors({ type: 'pytorch', from, to }, controller.signal);
    controller.abort(new Error('cancelled'));
    await expect(cancelled).rejects.toThrow('cancelled');
    await release();
  },
);
