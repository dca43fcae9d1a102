import { describe, expect, test } from 'vitest';
import { openArchive } from '../../../src/finetuning/dataset/archive.ts';
import { type Dataset, readDataset } from '../../../src/finetuning/dataset/dataset.ts';
import { fileOf, zipOf } from './zip-fixtures.ts';

type Tables = Readonly<Record<string, string | Buffer>>;

async function datasetOf(images: readonly string[], tables: Tables): Promise<Dataset> {
  const files = [...images.map((name) => [name, 'x'] as const), ...Object.entries(tables)];
  const source = await openArchive(fileOf(await zipOf(files.map(([name, content]) => ({ name, content })))));
  try {
    return await readDataset(source);
  } finally {
    await source.close();
  }
}

/** Each image with its label and split. */
function labelled({ files }: Dataset): Record<string, string> {
  return Object.fromEntries(
    files.map(({ file, label, split }) => [file.name, split === undefined ? label : `${label} ${split}`]),
  );
}

const IMAGES = ['images/a1.jpg', 'images/b2.jpg', 'images/c3.jpg'];
const RIGHT = { 'images/a1.jpg': 'cat', 'images/b2.jpg': 'dog', 'images/c3.jpg': 'dog' };

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le');
}

describe('a table with one row per image', () => {
  const rows = (template: (file: string, label: string, index: number) => string) =>
    Object.entries(RIGHT).map(([file, label], index) => template(file.slice('images/'.length, -4), label, index));
  const table = (header: string, template: (file: string, label: string, index: number) => string, end = '\n') =>
    [header, ...rows(template)].join(end);

  test.each<readonly [string, string, string | Buffer]>([
    ['the label first', 'labels.csv', table('label,image_id', (file, label) => `${label},images/${file}.jpg`)],
    ['the label first, without header', 'labels.csv', rows((file, label) => `${label},${file}.jpg`).join('\n')],
    ['ids without extension', 'train.csv', table('id,breed', (file, label) => `${file},${label}`)],
    [
      'an index of pandas',
      'train.csv',
      table(',filename,label', (file, label, index) => `${index},${file}.jpg,${label}`),
    ],
    ['unknown headers', 'data.csv', table('Bild;Tier', (file, label) => `${file}.jpg;${label}`)],
    ['an index and unknown headers', 'x.csv', table(',bild,tier', (file, label, index) => `${index},${file},${label}`)],
    [
      'a number and a name of the class',
      'data.csv',
      table('class_id,file,class_name', (file, label) => `7,${file},${label}`),
    ],
    ['absolute paths', 'labels.csv', table('file,label', (file, label) => `/home/me/photos/${file}.jpg,${label}`)],
    ['paths of Windows', 'labels.csv', table('file,label', (file, label) => `C:\\photos\\${file}.jpg,${label}`)],
    ['parents in paths', 'labels.csv', table('file,label', (file, label) => `../input/images/${file}.jpg,${label}`)],
    [
      'another case and extension',
      'labels.csv',
      table('file,label', (file, label) => `${file.toUpperCase()}.PNG,${label}`),
    ],
    [
      'UTF-16 with its mark',
      'labels.csv',
      utf16(`\ufeff${table('file\tlabel', (file, label) => `${file}.jpg\t${label}`)}`),
    ],
    ['UTF-16 without mark', 'labels.csv', utf16(table('file;label', (file, label) => `${file}.jpg;${label}`, '\r\n'))],
    [
      'metadata.csv of Hugging Face',
      'images/metadata.csv',
      table('file_name,label', (file, label) => `${file}.jpg,${label}`),
    ],
    [
      'metadata.jsonl of Hugging Face',
      'images/metadata.jsonl',
      rows((file, label) => JSON.stringify({ file_name: `${file}.jpg`, label })).join('\n'),
    ],
    [
      'uploads to Label Studio',
      'project-1.csv',
      table('annotation_id,image,choice,id', (f, label, i) => `${i},/data/upload/1/0123abc${i}-${f}.jpg,${label},${i}`),
    ],
    [
      'local files of Label Studio',
      'project-1.csv',
      table('image,id,choice', (file, label, index) => `/data/local-files/?d=photos/${file}.jpg,${index},${label}`),
    ],
    [
      'Google AutoML',
      'import.csv',
      rows((file, label) => `UNASSIGNED,gs://bucket/all/${file}.jpg,${label}`).join('\n'),
    ],
  ])('%s', async (_, name, content) => {
    const dataset = await datasetOf(IMAGES, { [name]: content });
    expect(labelled(dataset)).toEqual(RIGHT);
    expect(dataset).toMatchObject({ layout: 'table', missing: [], warnings: [] });
  });

  test('images labelled _unknown are no class: they are for the detector of unknown images', async () => {
    const dataset = await datasetOf(IMAGES, { 'labels.csv': 'file,label\na1.jpg,cat\nb2.jpg,dog\nc3.jpg,_unknown\n' });
    expect(dataset.classes).toEqual(['cat', 'dog']);
    expect(dataset.negatives.map(({ file }) => file.name)).toEqual(['images/c3.jpg']);
  });

  test('splits of Google AutoML are taken', async () => {
    const content = 'TRAIN,gs://b/a1.jpg,cat\nTEST,gs://b/b2.jpg,dog\nVALIDATION,gs://b/c3.jpg,dog';
    expect(labelled(await datasetOf(IMAGES, { 'import.csv': content }))).toEqual({
      'images/a1.jpg': 'cat train',
      'images/b2.jpg': 'dog test',
      'images/c3.jpg': 'dog validation',
    });
  });
});

describe('a column for each class', () => {
  test('labels the images of each split, as Roboflow exports them', async () => {
    const table = 'filename, cat, dog\n1.jpg, 1, 0\n2.jpg, 0, 1\n';
    const splits = ['train', 'valid', 'test'];
    const dataset = await datasetOf(
      splits.flatMap((split) => [`${split}/1.jpg`, `${split}/2.jpg`]),
      Object.fromEntries(splits.map((split) => [`${split}/_classes.csv`, table])),
    );
    expect(labelled(dataset)).toEqual({
      'test/1.jpg': 'cat test',
      'test/2.jpg': 'dog test',
      'train/1.jpg': 'cat train',
      'train/2.jpg': 'dog train',
      'valid/1.jpg': 'cat validation',
      'valid/2.jpg': 'dog validation',
    });
    expect(dataset.warnings).toEqual([]);
  });

  test('a row of several classes, or of none, gives no label', async () => {
    const dataset = await datasetOf(IMAGES, { 'labels.csv': 'id,cat,dog\na1,1,0\nb2,1,1\nc3,0,0\n' });
    expect(labelled(dataset)).toEqual({ 'images/a1.jpg': 'cat' });
  });
});

describe('which table is taken', () => {
  test('one for each split; a name that both splits have means the file of its own', async () => {
    const images = ['train/1.jpg', 'train/2.jpg', 'test/1.jpg', 'test/3.jpg'];
    const dataset = await datasetOf(images, {
      'train.csv': 'id,label\n1,cat\n2,dog\n',
      'test.csv': 'id,label\n1,dog\n3,cat\n',
    });
    expect(labelled(dataset)).toEqual({
      'test/1.jpg': 'dog test',
      'test/3.jpg': 'cat test',
      'train/1.jpg': 'cat train',
      'train/2.jpg': 'dog train',
    });
  });

  test('no sample of a submission', async () => {
    const dataset = await datasetOf(['train/1.jpg', 'train/2.jpg', 'test/9.jpg'], {
      'labels.csv': 'id,breed\n1,pug\n2,beagle\n',
      'sample_submission.csv': 'id,breed\n9,pug\n',
    });
    expect(labelled(dataset)).toEqual({ 'train/1.jpg': 'pug', 'train/2.jpg': 'beagle' });
  });

  test('one that may have the label in several columns is refused, unless folders give classes', async () => {
    const rows = ['a1,50,nv', 'b2,71,mel', 'c3,44,nv'];
    await expect(
      datasetOf(IMAGES, { 'patients.csv': ['image_id,age,finding', ...rows].join('\n') }),
    ).rejects.toMatchObject({
      code: 'dataset_layout',
      message: expect.stringContaining('any of "age", "finding" may be the label: call it "label"'),
    });
  });

  test('a column whose numbers fit several files is not the one of the files', async () => {
    const images = ['cat/0.jpg', 'cat/1.jpg', 'dog/0.jpg', 'dog/1.jpg'];
    const rows = images.map((name, index) => `${index % 2},${name},${name.slice(0, 3)}`);
    const dataset = await datasetOf(images, { 'pets.csv': ['class id,filepaths,labels', ...rows].join('\n') });
    expect(dataset).toMatchObject({ layout: 'table', classes: ['cat', 'dog'], warnings: [] });
  });

  test('folders of classes are taken where a table has no labels', async () => {
    const dataset = await datasetOf(['cat/1.jpg', 'dog/2.jpg'], {
      'sizes.csv': 'file,width,height\ncat/1.jpg,3,4\ndog/2.jpg,5,6',
    });
    expect(dataset).toMatchObject({
      layout: 'folders',
      classes: ['cat', 'dog'],
      warnings: [{ code: 'table_not_used' }],
    });
  });
});

describe('a table that matches nothing', () => {
  const table = 'id,breed\nx1,cat\nx2,dog\n';

  test.each(['labels.csv', 'train.csv'])('%s is refused with its columns and names', async (name) => {
    await expect(datasetOf(IMAGES, { [name]: table })).rejects.toMatchObject({
      code: 'dataset_layout',
      message: expect.stringMatching(/column "id".*"breed".*none of its 2 rows.*"x1", "x2".*"images\/a1\.jpg"/),
      context: { table: name, columns: { file: 'id', label: 'breed' }, rows: 2, matched: 0, unmatched: ['x1', 'x2'] },
    });
  });

  test('beside folders of classes it is a warning', async () => {
    const dataset = await datasetOf(['cat/1.jpg', 'dog/2.jpg'], { 'train.csv': table });
    expect(dataset.classes).toEqual(['cat', 'dog']);
    expect(dataset.warnings).toMatchObject([{ code: 'table_matched_nothing' }]);
  });
});

describe('a column of synsets beside the labels', () => {
  const table = (...synsets: readonly string[]) =>
    [
      'file,label,wnid',
      ...synsets.map((synset, index) => `${IMAGES[index]},${index === 0 ? 'cat' : 'dog'},${synset}`),
    ].join('\n');

  test('gives the synsets of the classes, as far as it says them', async () => {
    const dataset = await datasetOf(IMAGES, { 'labels.csv': table('', 'n02084071', '') });
    expect(labelled(dataset)).toEqual(RIGHT);
    expect(dataset.synsets).toEqual(new Map([['dog', 'n02084071']]));
  });

  test('alone is the label', async () => {
    const rows = ['file,wnid', `${IMAGES[0]},n02121808`, `${IMAGES[1]},n02084071`].join('\n');
    const dataset = await datasetOf(IMAGES, { 'labels.csv': rows });
    expect(dataset.classes).toEqual(['n02084071', 'n02121808']);
    expect(dataset.synsets).toEqual(new Map());
  });

  test.each([
    [table('', 'n02084071', 'n02121808'), /line 4: "dog" is n02121808, but n02084071 on line 3: give each class one/],
    [table('cat', '', ''), /line 2: the synset is "cat", but must be one of WordNet 3.0, such as n02219486, or empty/],
  ])('with two synsets for a class, or none of WordNet, is refused with the line', async (csv, message) => {
    await expect(datasetOf(IMAGES, { 'labels.csv': csv })).rejects.toThrow(message);
  });
});
