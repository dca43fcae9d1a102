import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLabels } from '../../../src/acquire/import/read-labels.ts';
import { readNamedLabels } from '../../../src/registry/zoo.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-labels-'));
});
afterEach(() => rm(folder, { recursive: true }));

const named = await readNamedLabels('zoo');
const read = async (file: string, text: string) => {
  await writeFile(join(folder, file), text);
  return (await readLabels(join(folder, file), named)).labels;
};
const animals = [{ label: 'cat' }, { label: 'dog' }];

test.each([
  ['labels.txt', 'cat\ndog\n'],
  ['labels.txt', '\ufeffcat\r\ndog'],
  ['labels.json', '["cat", "dog"]'],
  ['labels.json', '[{"index": 0, "label": "cat"}, {"index": 1, "label": "dog"}]'],
  ['labels.json', '{"1": "dog", "0": "cat"}'],
  ['labels.json', '{"classes": ["cat", {"label": "dog"}]}'],
  ['config.json', '{"model_type": "resnet", "id2label": {"0": "cat", "1": "dog"}}'],
])('labels as people have them: %s', async (file, text) => {
  expect(await read(file, text)).toEqual(animals);
});

test('synsets are kept', async () => {
  expect(await read('labels.json', '[{"label":"goldfish","synset":"n01443537"},"dog"]')).toEqual([
    { label: 'goldfish', synset: 'n01443537' },
    { label: 'dog' },
  ]);
});

test("a name is one of the zoo's", async () => {
  expect(await readLabels('tiny200', named)).toEqual({ labels: 'tiny200', count: 200 });
  await expect(readLabels('tiny300', named)).rejects.toThrow('there is no tiny300 among');
});

test.each([
  ['{"0": "cat", "2": "dog"}', 'neither a list of labels nor labels by index'],
  ['{"a": 1}', 'neither a list'],
  ['{', 'is not JSON'],
])('%s is refused', async (text, reason) => {
  await expect(read('labels.json', text)).rejects.toThrow(reason);
});

test('a file that is not there is named', async () => {
  await expect(readLabels(join(folder, 'none.txt'), named)).rejects.toThrow('none.txt cannot be read');
});
