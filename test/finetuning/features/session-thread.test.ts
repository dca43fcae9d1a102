import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type * as compiled from '../../../src/common/compiled-entry.ts';
import { openSessionThread } from '../../../src/finetuning/features/session-thread.ts';
import { describeSession } from '../../contract/session.ts';

const entry = vi.hoisted(() => ({ path: undefined as string | undefined }));

vi.mock('../../../src/common/compiled-entry.ts', async (original) => {
  const { compiledEntry } = await original<typeof compiled>();
  return { compiledEntry: (from: string, name: string) => entry.path ?? compiledEntry(from, name) };
});

describeSession('a session on a thread of its own', { runtime: 'onnx', threads: 1 }, openSessionThread);

describe('a thread of a session that ends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'menagerie-thread-'));

  afterEach(() => {
    entry.path = undefined;
    rmSync(folder, { recursive: true });
  });

  test('before the model is loaded is an error', async () => {
    entry.path = join(folder, 'ends.mjs');
    writeFileSync(entry.path, 'process.exit(3);');
    const opening = openSessionThread({ runtime: 'onnx', path: 'model.onnx', threads: 1 });
    await expect(opening).rejects.toThrow('the thread of a session ended with code 3');
  });
});
