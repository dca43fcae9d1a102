import { afterEach, describe, expect, test } from 'vitest';
import { openArchive } from '../../../src/finetuning/dataset/archive.ts';
import { type Dataset, readDataset } from '../../../src/finetuning/dataset/dataset.ts';
import { heicCase } from '../../image/heif.ts';
import { SHARED_ABSENT, sharedPath } from '../../shared-data.ts';
import { fileOf, type ZipEntry, zipOf } from './zip-fixtures.ts';

/** The data set in a zip of these files; an array has the name and the content. */
async function datasetOf(
  ...entries: readonly (string | readonly [name: string, content: string | Buffer])[]
): Promise<Dataset> {
  const zipped: ZipEntry[] = entries.map((entry) =>
    typeof entry === 'string' ? { name: entry, content: 'x' } : { name: entry[0], content: entry[1] },
  );
  const source = await openArchive(fileOf(await zipOf(zipped)));
  try {
    return await readDataset(source);
  } finally {
    await source.close();
  }
}

/** A line for each file: `name: label`, followed by the split if there is one. */
function lines({ files }: Dataset): string[] {
  return files.map(({ file, label, split }) => `${file.name}: ${label}${split === undefined ? '' : ` ${split}`}`);
}

function unusedFor(dataset: Dataset): Record<string, string> {
  return Object.fromEntries(dataset.unused.map(({ name, reason }) => [name, reason]));
}

describe('a folder per class', () => {
  test('labels each image with its folder; classes are sorted', async () => {
    const dataset = await datasetOf('dog/1.jpg', 'cat/1.png', 'cat/2.webp');
    expect(dataset.layout).toBe('folders');
    expect(lines(dataset)).toEqual(['cat/1.png: cat', 'cat/2.webp: cat', 'dog/1.jpg: dog']);
    expect(dataset.classes).toEqual(['cat', 'dog']);
    expect(dataset.unused).toEqual([]);
  });

  test.each([1, 2, 3])('may be %i folders deep', async (depth) => {
    const wrapper = 'pets/'.repeat(depth);
    const dataset = await datasetOf(`${wrapper}cat/1.jpg`, `${wrapper}dog/1.jpg`);
    expect(dataset.classes).toEqual(['cat', 'dog']);
  });

  test('contains images whose names do not say so, as their first bytes show', async () => {
    const heic = heicCase('plain.heic');
    const dataset = await datasetOf(
      ['cat/1042', heic],
      ['cat/a.jpg_large', heicCase('plain.png')],
      'cat/README',
      'dog/1.jpg',
      ['dog/notes.txt', heic],
    );
    expect(lines(dataset)).toEqual(['cat/1042: cat', 'cat/a.jpg_large: cat', 'dog/1.jpg: dog']);
    expect(unusedFor(dataset)).toEqual({ 'cat/README': 'not_an_image', 'dog/notes.txt': 'not_an_image' });
  });

  test('contains the images of its subfolders', async () => {
    const dataset = await datasetOf('cat/indoor/1.jpg', 'cat/outdoor/1.jpg', 'dog/1.jpg');
    expect(lines(dataset)).toEqual(['cat/indoor/1.jpg: cat', 'cat/outdoor/1.jpg: cat', 'dog/1.jpg: dog']);
  });

  test('names are in composed Unicode, trimmed and on one line', async () => {
    const dataset = await datasetOf('A\u0308pfel /1.jpg', 'golden\t  retriever/1.jpg');
    expect(dataset.classes).toEqual(['golden retriever', '\u00c4pfel']);
  });

  test('a name longer than a hundred characters is refused', async () => {
    await expect(datasetOf(`${'x'.repeat(101)}/1.jpg`, 'dog/1.jpg')).rejects.toMatchObject({ code: 'dataset_layout' });
  });

  test('images outside the class folders have no label', async () => {
    const dataset = await datasetOf('pets/preview.jpg', 'pets/cat/1.jpg', 'pets/dog/1.jpg', 'cover.png');
    expect(lines(dataset)).toEqual(['pets/cat/1.jpg: cat', 'pets/dog/1.jpg: dog']);
    expect(unusedFor(dataset)).toEqual({ 'pets/preview.jpg': 'no_label', 'cover.png': 'no_label' });
  });
});

test('files of operating systems are ignored, with the reason', async () => {
  const dataset = await datasetOf(
    'cat/1.jpg',
    'dog/1.jpg',
    '__MACOSX/cat/._1.jpg',
    'cat/.DS_Store',
    'cat/._1.jpg',
    'cat/Thumbs.db',
    'dog/desktop.ini',
    'README.md',
    'dog/notes.txt',
    '.git/x.jpg',
  );
  expect(lines(dataset)).toEqual(['cat/1.jpg: cat', 'dog/1.jpg: dog']);
  expect(unusedFor(dataset)).toEqual({
    '__MACOSX/cat/._1.jpg': 'system_file',
    'cat/.DS_Store': 'hidden',
    'cat/._1.jpg': 'hidden',
    'cat/Thumbs.db': 'system_file',
    'dog/desktop.ini': 'system_file',
    'README.md': 'not_an_image',
    'dog/notes.txt': 'not_an_image',
    '.git/x.jpg': 'hidden',
  });
});

describe('names of files', () => {
  const numbered = (template: (index: number) => string) => Array.from({ length: 6 }, (_, index) => template(index));

  test.each([
    ['at the top', ''],
    ['in one folder', 'images/'],
    ['in the training folder', 'train/'],
  ])('give the class where nothing else does: %s', async (_, folder) => {
    const dataset = await datasetOf(
      ...numbered((index) => `${folder}cat.${index}.jpg`),
      ...numbered((index) => `${folder}golden_retriever_${index}.jpg`),
      'test1/test1/1.jpg',
    );
    expect(dataset).toMatchObject({ layout: 'file_names', classes: ['cat', 'golden_retriever'] });
    expect(unusedFor(dataset)).toEqual({ 'test1/test1/1.jpg': 'no_label' });
    expect(dataset.warnings).toMatchObject([{ code: 'labels_from_file_names', context: { images: 12 } }]);
  });

  test('have splits by their folders', async () => {
    const dataset = await datasetOf(
      ...['train', 'val'].flatMap((split) =>
        ['cat', 'dog'].flatMap((name) => numbered((i) => `${split}/${name}${i}.jpg`)),
      ),
    );
    expect(lines(dataset)).toHaveLength(24);
    expect(lines(dataset)[0]).toBe('train/cat0.jpg: cat train');
    expect(lines(dataset).at(-1)).toBe('val/dog5.jpg: dog validation');
  });

  test('by cameras are no classes', async () => {
    const names = [...numbered((index) => `all/IMG_${index}.jpg`), ...numbered((index) => `all/DSC_${index}.jpg`)];
    expect(await datasetOf(...names)).toMatchObject({ layout: 'folders', classes: ['all'] });
  });
});

describe('images without a label', () => {
  test.each(['unlabelled', 'Unlabeled', 'no_label', 'train/unlabeled_images'])(
    'those in %s are not used',
    async (folder) => {
      const dataset = await datasetOf('train/cat/1.jpg', 'train/dog/1.jpg', `${folder}/2.jpg`);
      expect(dataset.classes).toEqual(['cat', 'dog']);
      expect(unusedFor(dataset)).toEqual({ [`${folder}/2.jpg`]: 'no_label' });
      expect(dataset.warnings).toMatchObject([{ code: 'unlabelled_folder', context: { images: 1 } }]);
    },
  );

  test('a folder of unknown things is a class, with a warning', async () => {
    const dataset = await datasetOf('cat/1.jpg', 'dog/1.jpg', 'unknown/1.jpg');
    expect(dataset.classes).toEqual(['cat', 'dog', 'unknown']);
    expect(dataset.warnings).toMatchObject([{ code: 'unknown_class', context: { classes: ['unknown'] } }]);
    expect(dataset.warnings[0]?.message).toContain('call it "_unknown"');
  });

  test('a folder _unknown is no class: its images are for the detector of unknown images', async () => {
    const dataset = await datasetOf('cat/1.jpg', 'dog/1.jpg', '_unknown/1.jpg');
    expect(dataset.classes).toEqual(['cat', 'dog']);
    expect(dataset.negatives.map(({ file }) => file.name)).toEqual(['_unknown/1.jpg']);
    expect(dataset.warnings).toEqual([]);
  });
});

describe('splits', () => {
  test.each([
    ['train', 'val', 'test'],
    ['training', 'valid', 'testing'],
    ['Train', 'Validation', 'TEST'],
    ['training_set', 'dev_set', 'test_set'],
    ['seg_train', 'seg_val', 'seg_pred'],
    ['TrainImages', 'ValidImages', 'TestImages'],
    ['trainset', 'valset', 'testset'],
    ['train2017', 'val-2017', 'test 1'],
    ['birds_train', 'birds_valid', 'birds_test'],
  ])('%s, %s and %s are recognized, in a folder or not', async (train, validation, held) => {
    for (const wrapper of ['', 'pets/']) {
      const folders = [train, validation, held].flatMap((split) => [`${split}/cat/1.jpg`, `${split}/dog/1.jpg`]);
      const dataset = await datasetOf(...folders.map((name) => wrapper + name));
      expect(dataset.layout).toBe('split_folders');
      expect(dataset.classes).toEqual(['cat', 'dog']);
      expect(dataset.files.map(({ split }) => split).sort()).toEqual([
        'test',
        'test',
        'train',
        'train',
        'validation',
        'validation',
      ]);
    }
  });

  test('a folder named like the split, or only for its images, does not count as a class', async () => {
    const dataset = await datasetOf(
      ...['training_set/training_set', 'test_set/images'].flatMap((split) => [
        `${split}/cat/1.jpg`,
        `${split}/dog/1.jpg`,
      ]),
      'training_set/preview.jpg',
    );
    expect(lines(dataset)).toEqual([
      'test_set/images/cat/1.jpg: cat test',
      'test_set/images/dog/1.jpg: dog test',
      'training_set/training_set/cat/1.jpg: cat train',
      'training_set/training_set/dog/1.jpg: dog train',
    ]);
    expect(unusedFor(dataset)).toEqual({ 'training_set/preview.jpg': 'no_label' });
    expect(dataset.warnings).toEqual([]);
  });

  test.each([
    ['directly in it', 'test/1.jpg'],
    ['twice nested', 'seg_pred/seg_pred/1.jpg'],
    ['in a folder that is no class', 'test/unknown/1.jpg'],
  ])('a split without labels is reported: images %s', async (_, name) => {
    const dataset = await datasetOf('train/cat/1.jpg', 'train/dog/1.jpg', name);
    expect(dataset.classes).toEqual(['cat', 'dog']);
    expect(unusedFor(dataset)).toEqual({ [name]: 'no_label' });
    const folder = name.split('/')[0];
    expect(dataset.warnings).toMatchObject([{ code: 'split_without_labels', context: { folder, images: 1 } }]);
  });

  test.each([
    ['splits without classes', ['train/1.jpg', 'test/2.jpg']],
    ['a split beside a folder of images', ['images/1.jpg', 'test/2.jpg']],
    ['some classes have splits', ['cat/train/1.jpg', 'cat/test/2.jpg', 'dog/3.jpg']],
    ['splits beside another folder', ['all/train/cat/1.jpg', 'all/test/cat/2.jpg', 'samples/3.jpg']],
    ['splits in another language', ['lernen/cat/1.jpg', 'lernen/dog/1.jpg', 'prüfen/cat/1.jpg', 'prüfen/dog/1.jpg']],
  ])('folders that look like splits are not taken for classes without a warning: %s', async (_, names) => {
    const { layout, warnings } = await datasetOf(...names);
    expect(layout).toBe('folders');
    expect(warnings).toMatchObject([{ code: 'looks_like_splits' }]);
  });

  test('other names with the word of a split are classes', async () => {
    const dataset = await datasetOf('bullet_train/a/1.jpg', 'blood_test/b/1.jpg');
    expect(dataset).toMatchObject({ layout: 'folders', classes: ['blood_test', 'bullet_train'], warnings: [] });
  });

  test('a single class in each split is still a class', async () => {
    const dataset = await datasetOf('train/cat/1.jpg', 'test/cat/2.jpg');
    expect(dataset.classes).toEqual(['cat']);
  });

  test('other folders, and test images without a class, are ignored', async () => {
    const dataset = await datasetOf('train/cat/1.jpg', 'train/dog/1.jpg', 'test/1.jpg', 'extra/x/1.jpg');
    expect(lines(dataset)).toEqual(['train/cat/1.jpg: cat train', 'train/dog/1.jpg: dog train']);
    expect(unusedFor(dataset)).toEqual({ 'test/1.jpg': 'no_label', 'extra/x/1.jpg': 'outside_splits' });
  });

  test('a training folder without others is not a split', async () => {
    const dataset = await datasetOf('train/cat/1.jpg', 'train/dog/1.jpg');
    expect(lines(dataset)).toEqual(['train/cat/1.jpg: cat', 'train/dog/1.jpg: dog']);
  });

  test('may be within the classes', async () => {
    const dataset = await datasetOf('cat/train/1.jpg', 'cat/test/2.jpg', 'dog/train/1.jpg', 'dog/test/2.jpg');
    expect(lines(dataset)).toEqual([
      'cat/test/2.jpg: cat test',
      'cat/train/1.jpg: cat train',
      'dog/test/2.jpg: dog test',
      'dog/train/1.jpg: dog train',
    ]);
  });

  test('a class of trains is a class', async () => {
    const dataset = await datasetOf('train/1.jpg', 'train/2.jpg', 'car/1.jpg');
    expect(lines(dataset)).toEqual(['car/1.jpg: car', 'train/1.jpg: train', 'train/2.jpg: train']);
  });
});

describe('labels.csv', () => {
  const images = ['images/1.jpg', 'images/2.jpg', 'images/3.jpg'] as const;

  test.each([
    ['plain', 'images/1.jpg,cat\nimages/2.jpg,dog\n'],
    ['with a header', 'file,label\nimages/1.jpg,cat\nimages/2.jpg,dog\n'],
    ['with a header in another order', 'class,score,filename\ncat,1,images/1.jpg\ndog,2,images/2.jpg'],
    ['with a byte-order mark and CRLF', '\ufefffile,label\r\nimages/1.jpg,cat\r\nimages/2.jpg,dog\r\n'],
    ['with quotes', '"file","label"\n"images/1.jpg","cat"\n"images/2.jpg", "dog"'],
    ['with names alone', '1.jpg,cat\n2.jpg,dog'],
    ['with backslashes and a leading dot', '.\\images\\1.jpg,cat\n./images/2.jpg,dog'],
    ['with semicolons', 'file;label\nimages/1.jpg;cat\n"images/2.jpg"; "dog"\n'],
    ['with semicolons, a byte-order mark and CRLF', '\ufefffile;label;split\r\n1.jpg;cat;\r\n2.jpg;dog;\r\n'],
    ['with tabs', 'images/1.jpg\tcat\nimages/2.jpg\t"dog"\n'],
    ['with the line ends of old Macs', 'file,label\rimages/1.jpg,cat\rimages/2.jpg,dog\r'],
    ['with blank lines and spaces', '\n images/1.jpg , cat \n\n,\nimages/2.jpg,dog\n\n'],
  ])('%s', async (_, table) => {
    for (const wrapper of ['', 'pets/']) {
      const dataset = await datasetOf(...images.map((name) => wrapper + name), [`${wrapper}labels.csv`, table]);
      expect(dataset.layout).toBe('table');
      expect(lines(dataset)).toEqual([`${wrapper}images/1.jpg: cat`, `${wrapper}images/2.jpg: dog`]);
      expect(unusedFor(dataset)).toEqual({ [`${wrapper}images/3.jpg`]: 'not_in_table' });
    }
  });

  test('quoted labels may contain commas, quotes and line breaks', async () => {
    const dataset = await datasetOf(...images, ['labels.csv', '1.jpg,"cat, ""big"""\n2.jpg,"a\ndog"\n3.jpg,5" lens']);
    expect(dataset.classes).toEqual(['5" lens', 'a dog', 'cat, "big"']);
  });

  test('with semicolons as separators, a comma within a cell is text', async () => {
    const dataset = await datasetOf(...images, ['labels.csv', '1.jpg;"cat, big"\n2.jpg;dog, small\n3.jpg;dog, small']);
    expect(dataset.classes).toEqual(['cat, big', 'dog, small']);
  });

  test('a split column is used; rows without a split are then for training', async () => {
    const dataset = await datasetOf(...images, [
      'labels.csv',
      'file,label,split\n1.jpg,cat,\n2.jpg,dog,valid\n3.jpg,dog,Test',
    ]);
    expect(lines(dataset)).toEqual([
      'images/1.jpg: cat train',
      'images/2.jpg: dog validation',
      'images/3.jpg: dog test',
    ]);
  });

  test('files that do not exist are reported, and files without a label are not used', async () => {
    const dataset = await datasetOf(...images, ['labels.csv', '1.jpg,cat\n9.jpg,dog\n2.jpg,\n3.jpg,dog']);
    expect(dataset.missing).toEqual(['9.jpg']);
    expect(unusedFor(dataset)).toEqual({ 'images/2.jpg': 'not_in_table' });
  });

  test('a file in the table is used whatever its name', async () => {
    const dataset = await datasetOf('photo1', 'photo2', ['labels.csv', 'photo1,cat\nphoto2,dog']);
    expect(dataset.classes).toEqual(['cat', 'dog']);
  });

  test('a table inside a class folder is an ordinary file', async () => {
    const dataset = await datasetOf('cat/1.jpg', 'dog/1.jpg', ['dog/labels.csv', 'x,y']);
    expect(dataset.layout).toBe('folders');
    expect(unusedFor(dataset)).toEqual({ 'dog/labels.csv': 'not_an_image' });
  });

  test.each([
    ['one column', '1.jpg\n2.jpg', 'line 1: there is one column'],
    ['a quote that is never closed', '1.jpg,cat\n2.jpg,"dog\n', 'line 2: a quote'],
    ['text after a quote', '1.jpg,"cat" x\n', 'line 1: a quote'],
    ['an unknown split', '1.jpg,cat,train\n2.jpg,dog,later', 'line 2: the split is "later"'],
    [
      'two splits for one file',
      '1.jpg,cat,train\n2.jpg,dog,test\nimages/1.jpg,cat,test',
      'line 3: "images/1.jpg" has another split on line 1',
    ],
  ])('%s is refused, with the line', async (_, table, message) => {
    await expect(datasetOf(...images, ['labels.csv', table])).rejects.toMatchObject({
      code: 'dataset_layout',
      status: 422,
      message: expect.stringContaining(message),
    });
  });

  test('a name that fits two files is refused', async () => {
    await expect(datasetOf('a/1.jpg', 'b/1.jpg', ['labels.csv', '1.jpg,cat'])).rejects.toMatchObject({
      message: expect.stringContaining('fits several files, for example a/1.jpg and b/1.jpg'),
    });
  });
});

test('classes may differ in capitals, but not only in Unicode normalization', async () => {
  const dataset = await datasetOf('Cat/1.jpg', 'cat/2.jpg', 'K\u00f6ter/3.jpg', 'Ko\u0308ter/3.jpg');
  expect(dataset.classes).toEqual(['Cat', 'K\u00f6ter', 'cat']);
  expect(dataset.files.filter(({ label }) => label === 'K\u00f6ter')).toHaveLength(2);
});

test('an archive within the archive is not opened, and the error says so', async () => {
  await expect(datasetOf('cat.zip', 'dog.zip')).rejects.toMatchObject({
    code: 'dataset_layout',
    message: expect.stringContaining('"cat.zip" is an archive itself and is not opened: unpack it'),
  });
});

describe('tables and folders that are meant to be slow', () => {
  /** Of the processor: far longer than needed, and far shorter than a quadratic algorithm takes. */
  const PROMPTLY_MS = 3_000;
  const processorMs = () => process.cpuUsage().user / 1000;

  test('a table in which every row almost fits every file', async () => {
    const count = 20_000;
    const files = Array.from({ length: count }, (_, i) => ({ name: `f${i}/1.jpg`, bytes: 1 }));
    const rows = files.map((_, i) => `g${i}/1.jpg,cat`).join('\n');
    const table = { name: 'labels.csv', bytes: rows.length };
    const start = processorMs();
    const dataset = readDataset({
      files: [...files, table],
      ignored: [],
      read: async () => Buffer.from(`${rows}\nf7/1.jpg,dog`),
      close: async () => {},
    });
    expect((await dataset).missing).toHaveLength(count);
    expect(processorMs() - start).toBeLessThan(PROMPTLY_MS);
  });

  test('a table that is too large is not read', async () => {
    const table = { name: 'labels.csv', bytes: 17 * 1024 * 1024 };
    const read = () => Promise.reject(new Error('it was read'));
    const source = { files: [{ name: '1.jpg', bytes: 1 }, table], ignored: [], read, close: async () => {} };
    await expect(readDataset(source)).rejects.toMatchObject({
      code: 'dataset_layout',
      context: { limit: 'max_table_bytes' },
    });
  });
});

test.each([
  ['nothing', []],
  ['no image', ['notes.txt', 'cat/readme.md']],
  ['images without a folder', ['1.jpg', '2.jpg']],
])('%s is refused, with the possible layouts', async (_, names) => {
  await expect(datasetOf(...names)).rejects.toMatchObject({
    code: 'dataset_layout',
    message: expect.stringContaining('one folder per class (cat/1.jpg, dog/2.jpg)'),
  });
});

const data = sharedPath('data');
describe(`real data sets${data === undefined ? `, ${SHARED_ABSENT}` : ''}`, () => {
  let close: (() => Promise<void>) | undefined;
  afterEach(async () => await close?.());

  test.skipIf(data === undefined).each([
    { zip: 'cifar10-5k.zip', layout: 'split_folders', classes: 10, files: 5000, unused: 0 },
    { zip: 'sign-digits.zip', layout: 'folders', classes: 10, files: 2062, unused: 1 },
    { zip: 'tiny-val.zip', layout: 'folders', classes: 200, files: 1000, unused: 0 },
  ])('$zip has $classes classes', async ({ zip, layout, classes, files, unused }) => {
    const source = await openArchive(sharedPath('data', zip) ?? '');
    close = source.close;
    const dataset = await readDataset(source);
    expect(dataset.layout).toBe(layout);
    expect(dataset.classes).toHaveLength(classes);
    expect(dataset.files).toHaveLength(files);
    expect(dataset.unused).toHaveLength(unused);
  });
});
