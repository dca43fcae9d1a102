import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestFile } from '../../src/common/file-digest.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-digest-'));
});

afterEach(() => rm(folder, { recursive: true }));

test('a file is hashed and measured', async () => {
  const path = join(folder, 'file');
  await writeFile(path, 'abc');
  // The example of FIPS 180-2, appendix B.1.
  expect(await digestFile(path)).toEqual({
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    size: 3,
  });
});

test('a large file is hashed in parts, with progress', async () => {
  const path = join(folder, 'file');
  await writeFile(path, 'a'.repeat(1_000_000 + (1 << 20)));
  const told: number[] = [];
  const { size } = await digestFile(path, (done) => told.push(done));
  expect(told).toEqual([1 << 20, size]);
});

test('hashing ends when its signal is aborted', async () => {
  const path = join(folder, 'file');
  await writeFile(path, 'abc');
  await expect(digestFile(path, undefined, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
});
