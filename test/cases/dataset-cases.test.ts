import { mkdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openArchive } from '../../src/finetuning/dataset/archive.ts';
import { type Dataset, readDataset } from '../../src/finetuning/dataset/dataset.ts';
import { fileOf, zipOf } from '../finetuning/dataset/zip-fixtures.ts';
import { ENCODED, encodedZip, entriesOf, writeDatasetCases } from './dataset-cases.ts';
import { SHAPES } from './dataset-shapes.ts';

/** What is read before any image is: the content does not matter. */
const draw = () => Buffer.from('x');

async function datasetIn(zip: Buffer): Promise<Dataset> {
  const source = await openArchive(fileOf(zip));
  try {
    return await readDataset(source);
  } finally {
    await source.close();
  }
}

/** The classes with their splits, where the data set gives them. */
function groupsOf({ files }: Dataset): string[] {
  return [...new Set(files.map(({ label, split }) => (split === undefined ? label : `${label} ${split}`)))].sort();
}

test.each(Object.entries(SHAPES))('a data set in the shape of %s', async (_, shape) => {
  const { right, warnings = [] } = shape;
  const dataset = datasetIn(await zipOf(await entriesOf(shape, draw)));
  if (right instanceof RegExp) {
    await expect(dataset).rejects.toMatchObject({ code: 'dataset_layout', message: expect.stringMatching(right) });
  } else {
    expect(groupsOf(await dataset)).toEqual(right);
    expect((await dataset).warnings.map(({ code }) => code).sort()).toEqual([...warnings].sort());
  }
});

test.each(Object.entries(ENCODED))('names in %s', async (_, encoded) => {
  expect((await datasetIn(await encodedZip(encoded, draw))).classes).toEqual([...encoded.right].sort());
});

const { CASES } = process.env;
test.runIf(CASES)('the cases are written as files', async () => {
  mkdirSync(CASES ?? '', { recursive: true });
  await writeDatasetCases(CASES ?? '');
});
