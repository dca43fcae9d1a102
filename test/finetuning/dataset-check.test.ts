import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { childrenOf } from '../../scripts/server-process.ts';
import { checkDataset } from '../../src/finetuning/dataset-check.ts';
import { fileOf, zipOf } from './dataset/zip-fixtures.ts';

/** A zip with so many files in each of two classes. Their content does not matter: images are not read. */
async function dataset(imagesPerClass: number): Promise<string> {
  const names = Array.from({ length: imagesPerClass }, (_, index) => `${index}.jpg`);
  const entries = ['cat', 'dog'].flatMap((label) => names.map((name) => ({ name: `${label}/${name}`, content: '.' })));
  return fileOf(await zipOf(entries));
}

test('a data set with enough files in each class passes', async () => {
  await expect(checkDataset(await dataset(5))).resolves.toBeUndefined();
});

test('a data set that cannot be trained on is refused with its own error', async () => {
  await expect(checkDataset(await dataset(1))).rejects.toMatchObject({
    code: 'dataset_too_small',
    message: expect.stringContaining('"cat"'),
  });
});

test('a file that is no archive is refused', async () => {
  await expect(checkDataset(fileOf(Buffer.from('not a zip')))).rejects.toMatchObject({ code: 'unsupported_archive' });
});

test.skipIf(!existsSync('/proc/self/stat'))('a check that the system kills says nothing of the data set', async () => {
  const path = await dataset(5);
  const before = childrenOf(process.pid);
  const checking = checkDataset(path);
  for (const pid of childrenOf(process.pid)) if (!before.includes(pid)) process.kill(pid, 'SIGKILL');
  await expect(checking).rejects.toMatchObject({ code: 'training_lost', retryAfter: 1 });
});
