import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PixelThreads } from '../../src/image/pixel-threads.ts';

/** The first byte of a file says what the thread does with it. */
const [ANSWER, DIE, HANG] = [0, 1, 2];
const PROGRAM = `import { parentPort } from 'node:worker_threads';
parentPort.on('message', ({ file }) => {
  if (file[0] === ${DIE}) process.exit(1);
  if (file[0] === ${HANG}) for (;;);
  parentPort.postMessage({ value: file });
});`;

describe('threads that work on pixels', () => {
  let folder: string;
  let entry: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pixel-threads-'));
    entry = join(folder, 'worker.mjs');
    await writeFile(entry, PROGRAM);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const run = (threads: PixelThreads, first: number, signal?: AbortSignal) => {
    const file = Uint8Array.of(first, 7);
    return threads.run('decode', { file }, file, signal);
  };

  it('are replaced when they die, and only the job that they had fails', async () => {
    const threads = new PixelThreads(entry, 1, 60_000);
    const [died, waited] = await Promise.allSettled([run(threads, DIE), run(threads, ANSWER)]);
    expect(died).toMatchObject({ status: 'rejected', reason: { message: 'the thread that decodes images ended' } });
    expect(waited).toEqual({ status: 'fulfilled', value: Uint8Array.of(ANSWER, 7) });
  });

  it('are ended when they never answer', async () => {
    const threads = new PixelThreads(entry, 1, 500);
    await expect(run(threads, HANG)).rejects.toThrow('ended');
  });

  it('never get a job whose client went while it waited', async () => {
    const threads = new PixelThreads(entry, 1, 60_000);
    const client = new AbortController();
    const first = run(threads, ANSWER);
    const dropped = run(threads, DIE, client.signal);
    const last = run(threads, ANSWER);
    client.abort(new Error('the client is gone'));
    await expect(dropped).rejects.toThrow('the client is gone');
    expect(await first).toEqual(await last);
    await expect(run(threads, ANSWER, client.signal)).rejects.toThrow('the client is gone');
  });
});
