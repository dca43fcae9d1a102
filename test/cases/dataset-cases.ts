import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { swapped, type ZipEntry, zipOf } from '../finetuning/dataset/zip-fixtures.ts';

/** Images of each class in each split. */
export const IMAGES = 6;

/** A drawing that differs for each name, so that no two images are copies. */
async function drawing(name: string): Promise<Buffer> {
  const hash = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  const background = { r: hash & 255, g: (hash >>> 8) & 255, b: (hash >>> 16) & 255 };
  return await sharp({ create: { width: 32, height: 32, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

async function imagesNamed(nameOf: (index: number) => string): Promise<ZipEntry[]> {
  const names = Array.from({ length: IMAGES }, (_, index) => nameOf(index));
  return await Promise.all(names.map(async (name) => ({ name, content: await drawing(name) })));
}

async function zipOfAll(images: readonly Promise<ZipEntry[]>[], ...tables: readonly ZipEntry[]): Promise<Buffer> {
  return await zipOf([...(await Promise.all(images)).flat(), ...tables]);
}

const table = (name: string, header: string, rowOf: (label: string, index: number) => string): ZipEntry => ({
  name,
  content: [
    header,
    ...['cat', 'dog'].flatMap((label) => Array.from({ length: IMAGES }, (_, i) => rowOf(label, i))),
  ].join('\n'),
});

const CASES: Readonly<Record<string, () => Promise<Buffer>>> = {
  kaggle_sets: () =>
    zipOfAll(
      ['training_set', 'test_set'].flatMap((split) =>
        ['cat', 'dog'].map((label) => imagesNamed((index) => `${split}/${split}/${label}/${index}.jpg`)),
      ),
    ),
  roboflow: () =>
    zipOfAll(
      ['train', 'test'].flatMap((split) =>
        ['cat', 'dog'].map((label) => imagesNamed((index) => `${split}/${label}${index}.jpg`)),
      ),
      ...['train', 'test'].map((split) =>
        table(
          `${split}/_classes.csv`,
          'filename, cat, dog',
          (label, index) => `${label}${index}.jpg, ${label === 'cat' ? '1, 0' : '0, 1'}`,
        ),
      ),
    ),
  label_first: () =>
    zipOfAll(
      ['cat', 'dog'].map((label) => imagesNamed((index) => `images/x${label}${index}.jpg`)),
      table('labels.csv', 'label,image_id', (label, index) => `${label},images/x${label}${index}.jpg`),
    ),
  ids_without_extension: () =>
    zipOfAll(
      [
        ...['cat', 'dog'].map((label) => imagesNamed((index) => `train/${label}${index}.jpg`)),
        imagesNamed((i) => `test/${i}.jpg`),
      ],
      table('train.csv', 'id,breed', (label, index) => `${label}${index},${label}`),
      { name: 'sample_submission.csv', content: 'id,breed\n0,cat' },
    ),
  colon: async () =>
    swapped(
      await zipOfAll(['b-w', 'cat'].map((label) => imagesNamed((index) => `${label}/${index}.jpg`))),
      'b-w/',
      'b:w/',
    ),
  // ソース and ソウル: the second byte of the first letter is a backslash.
  shift_jis: async () =>
    ['\x83\\\x81[\x83X', '\x83\\\x83E\x83\x8b'].reduce(
      (zip, name, index) => swapped(zip, `xxxxx${index}/`, Buffer.from(`${name}/`, 'latin1')),
      await zipOfAll([0, 1].map((stand) => imagesNamed((index) => `xxxxx${stand}/${index}.jpg`))),
    ),
  names_of_files: () => zipOfAll(['cat', 'dog'].map((label) => imagesNamed((index) => `all/${label}.${index}.jpg`))),
};

/** Writes a zip for each layout that data sets are shared in. @returns the path of each */
export async function makeDatasetCases(folder: string): Promise<Readonly<Record<string, string>>> {
  const made = Object.entries(CASES).map(async ([name, make]) => {
    const path = join(folder, `${name}.zip`);
    writeFileSync(path, await make());
    return [name, path] as const;
  });
  return Object.fromEntries(await Promise.all(made));
}
