import { expect, test } from 'vitest';
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
