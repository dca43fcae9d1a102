import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asStorageError } from '../../src/common/storage-error.ts';
import { copyVerified } from '../../src/download/copy.ts';

const content = Buffer.alloc(200_000, 'x');
const sha256 = createHash('sha256').update(content).digest('hex');
let folder: string;
let target: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-'));
  target = join(folder, 'model.safetensors');
  await writeFile(join(folder, 'source'), content);
});

afterEach(() => rm(folder, { recursive: true }));

const copy = (signal = new AbortController().signal, onProgress = () => {}) =>
  copyVerified({ path: join(folder, 'source'), target, sha256, size: undefined, prefix: false, signal, onProgress });

test('a copy that is cancelled leaves nothing', async () => {
  const controller = new AbortController();
  const cancel = () => controller.abort(new Error('cancelled'));
  await expect(copy(controller.signal, cancel)).rejects.toThrow('cancelled');
  expect(await readdir(folder)).toEqual(['source']);
});

test.skipIf(!existsSync('/dev/full'))('a copy to a full disk leaves nothing, and its error says so', async () => {
  await symlink('/dev/full', `${target}.part`);
  const failure = await copy().catch((thrown: unknown) => thrown);
  expect(asStorageError(failure)?.code).toBe('storage_full');
  expect(await readdir(folder)).toEqual(['source']);
});
