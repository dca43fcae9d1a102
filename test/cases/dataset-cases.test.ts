import { expect, test } from 'vitest';
import { openImageSource, readDataset } from '../../src/finetuning/dataset/dataset.ts';
import { temporaryFolder } from '../finetuning/dataset/zip-fixtures.ts';
import { IMAGES, makeDatasetCases } from './dataset-cases.ts';

const SPLITS = ['cat test', 'cat train', 'dog test', 'dog train'];

/** The classes of each case, with their splits where the data set gives them. */
const RIGHT: Readonly<Record<string, readonly string[]>> = {
  kaggle_sets: SPLITS,
  roboflow: SPLITS,
  label_first: ['cat', 'dog'],
  ids_without_extension: ['cat', 'dog'],
  colon: ['b:w', 'cat'],
  shift_jis: ['ソウル', 'ソース'],
  names_of_files: ['cat', 'dog'],
};

test('every case has the right classes and splits, and uses every labelled image', async () => {
  const paths = await makeDatasetCases(temporaryFolder());
  expect(Object.keys(paths).sort()).toEqual(Object.keys(RIGHT).sort());
  for (const [name, path] of Object.entries(paths)) {
    const source = await openImageSource(path);
    const { files } = await readDataset(source);
    await source.close();
    const groups = files.map(({ label, split }) => (split === undefined ? label : `${label} ${split}`));
    expect([...new Set(groups)].sort(), name).toEqual(RIGHT[name]);
    expect(files, name).toHaveLength(IMAGES * (RIGHT[name]?.length ?? 0));
  }
});
