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
const read = async (file: string, text: string | Uint8Array) => {
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
  ['config.json', '{"architecture": "resnet18", "label_names": ["cat", "dog"]}'],
  ['config.json', '{"pretrained_cfg": {"label_names": ["c", "d"], "label_descriptions": {"c": "cat", "d": "dog"}}}'],
  ['class_indices.json', '{"dog": 1, "cat": 0}'],
  ['meta.json', '{"class_to_idx": {"dog": 1, "cat": 0}}'],
  ['metadata.json', '{"tmVersion": "2.4.5", "labels": ["cat", "dog"], "imageSize": 224}'],
  ['labels.txt', '0 cat\n1 dog\n'],
  ['labels.txt', 'cat\rdog'],
  ['labels.csv', 'cat\ndog\n'],
  ['labels.csv', 'label\ncat\ndog\n'],
  ['labels.csv', 'id,name\n1,dog\n0,cat\n'],
  ['labels.csv', '1;cat\r\n2;dog\r\n'],
  ['labels.csv', 'name,id\n"cat",0\n"dog",1\n'],
  ['LABELS.CSV', 'class_name\tindex\ncat\t0\ndog\t1'],
])('labels as people have them: %s', async (file, text) => {
  expect(await read(file, text)).toEqual(animals);
});

const accents = [{ label: 'café' }, { label: 'naïve' }];
test.each([
  ['UTF-16 of Windows', Buffer.from('\ufeffcafé\r\nnaïve\r\n', 'utf16le')],
  ['UTF-16 without a mark', Buffer.from('café\nnaïve', 'utf16le')],
  ['big-endian UTF-16', Buffer.from('\ufeffcafé\nnaïve', 'utf16le').swap16()],
  ['Latin-1', Buffer.from('café\nnaïve\n', 'latin1')],
  ['UTF-8 with a mark', Buffer.from('\ufeffcafé\nnaïve\n')],
])('a text may be in %s', async (_, bytes) => {
  expect(await read('labels.txt', bytes)).toEqual(accents);
});

const fish = [
  { label: 'tench', synset: 'n01440764' },
  { label: 'great white shark', synset: 'n01484850' },
];
test.each([
  ['imagenet_class_index.json', '{"0": ["n01440764", "tench"], "1": ["n01484850", "great_white_shark"]}'],
  ['synset_words.txt', 'n01440764 tench\nn01484850 great white shark\n'],
])('synsets of ImageNet are read: %s', async (file, text) => {
  expect(await read(file, text)).toEqual(fish);
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
  await expect(readLabels('labels.xlsx', named)).rejects.toThrow(/a \.txt file.*a \.csv table.*a \.json file/);
});

test.each([
  ['{"0": "cat", "2": "dog"}', 'neither a list of labels nor labels by index'],
  ['{"a": 1}', 'neither a list'],
  ['{"a": 1, "b": 2}', 'neither a list'],
  ['{', 'is not JSON'],
])('%s is refused', async (text, reason) => {
  await expect(read('labels.json', text)).rejects.toThrow(reason);
});

test('the error for a missing file names it', async () => {
  await expect(readLabels(join(folder, 'none.txt'), named)).rejects.toThrow('none.txt cannot be read');
});
