import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isInBackground } from '../../scripts/server-process.ts';
import { runInBackground } from '../../src/common/background-process.ts';
import { createLogger } from '../../src/common/logger.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-background-process-'));
});
afterAll(() => rm(folder, { recursive: true }));

test.skipIf(!existsSync('/proc/self/stat'))('a task is done behind all other work', async () => {
  const script = join(folder, 'task.js');
  await writeFile(
    script,
    `process.once('message', () => {
  process.once('message', ({ answer }) => process.send({ type: 'done', result: answer }, () => process.disconnect()));
  process.send({ type: 'progress', progress: process.pid });
  process.send({ type: 'question' });
});`,
  );
  const seen: boolean[] = [];
  const result = await runInBackground<number>(
    {},
    {
      script,
      name: 'the task',
      stepLimitMs: 60_000,
      logger: createLogger('silent'),
      onProgress: (pid) => void seen.push(isInBackground(pid)),
      onQuestion: async () => 'answered',
      signal: new AbortController().signal,
    },
  );
  expect({ result, seen }).toEqual({ result: 'answered', seen: [true] });
});
