import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/common/errors.ts';
import { openArchive } from '../../../src/finetuning/dataset/archive.ts';
import { readDataset } from '../../../src/finetuning/dataset/dataset.ts';
import { SPLIT_DEFAULTS } from '../../../src/finetuning/dataset/dataset-split.ts';
import { type Preflight, type PreflightOptions, runPreflight } from '../../../src/finetuning/dataset/preflight.ts';
import { ConceptGraph } from '../../../src/registry/concept-graph.ts';
import { fileOf, swapped, type ZipEntry, zipOf } from './zip-fixtures.ts';

/** A decoder of text: the image is before the bar, its encoding behind it. */
const inspect: PreflightOptions['inspect'] = async (content) => {
  const [picture = ''] = content.toString().split('|');
  if (picture === 'broken') throw new AppError('corrupt_image', 'The image is damaged.');
  const pixelDigest = createHash('sha256').update(picture).digest('hex');
  const [, look = pixelDigest] = picture.split(' looks ');
  const side = picture.startsWith('tiny') ? 10 : 300;
  const differenceHash = look === pixelDigest ? pixelDigest.slice(0, 32) : look.padStart(32, '0');
  return { width: side, height: 300, pixelDigest, differenceHash, withoutEnd: picture.startsWith('endless') };
};

/** Two cranes, a bird and a machine, and an ant. */
const graph = new ConceptGraph([
  { synset: 'n00001740', label: 'entity', words: ['entity'], gloss: undefined, parents: [] },
  { synset: 'n02012849', label: 'crane', words: ['crane'], gloss: 'a large wading bird', parents: ['n00001740'] },
  { synset: 'n03126707', label: 'crane', words: ['crane'], gloss: 'lifts and moves loads', parents: ['n00001740'] },
  { synset: 'n02219486', label: 'ant', words: ['ant', 'emmet', 'pismire'], gloss: undefined, parents: ['n00001740'] },
]);

const settings: PreflightOptions = {
  synsets: undefined,
  graph,
  split: { ...SPLIT_DEFAULTS, seed: 1 },
  inputSize: [64, 64],
  inspect,
  concurrency: 3,
};

/** Files of different images: `folder/0.jpg` to `folder/<count - 1>.jpg`. */
function photos(folder: string, count: number): ZipEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${folder}/${index}.jpg`,
    content: `${folder} ${index}`,
  }));
}

async function preflightOf(zip: Buffer, options: Partial<PreflightOptions> = {}): Promise<Preflight> {
  const source = await openArchive(fileOf(zip));
  try {
    return await runPreflight(await readDataset(source), source, { ...settings, ...options });
  } finally {
    await source.close();
  }
}

async function preflight(...entries: readonly (ZipEntry | readonly ZipEntry[])[]): Promise<Preflight> {
  return await preflightOf(await zipOf(entries.flat()));
}

const codes = ({ report }: Preflight) => report.warnings.map(({ code }) => code);

describe('a sound data set', () => {
  test('passes without a warning, and the report says how the images are used', async () => {
    const { report, classes, images } = await preflight(photos('cat', 100), photos('dog', 60));
    expect(report.warnings).toEqual([]);
    expect(report.classes).toEqual([
      { name: 'cat', images: 100, train: 70, validation: 15, test: 15 },
      { name: 'dog', images: 60, train: 42, validation: 9, test: 9 },
    ]);
    expect(report.images).toEqual({
      labelled: 160,
      unreadable: 0,
      left_out: 0,
      used: 160,
      train: 112,
      validation: 24,
      test: 24,
    });
    expect(report.imbalance).toBe(1.67);
    expect(report.will_train).toBe(
      '112 images of 2 classes train the head, 24 decide when training stops, 24 are for the test',
    );
    expect(classes).toEqual(['cat', 'dog']);
    expect(images).toHaveLength(160);
    expect(new Set(images.map(({ label, classIndex }) => `${label} ${classIndex}`))).toEqual(
      new Set(['cat 0', 'dog 1']),
    );
  });

  test('the report is plain JSON', async () => {
    const { report } = await preflight(photos('cat', 5), photos('dog', 5));
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  test('has the same digest however it is packed, and another when a label changes', async () => {
    const wrapped = photos('cat', 9).map((entry) => ({
      ...entry,
      name: `pets/${entry.name}`,
      content: `${entry.content}|x`,
    }));
    const dogs = photos('dog', 9).map((entry) => ({ ...entry, name: `pets/${entry.name}` }));
    const { datasetDigest } = await preflight(photos('cat', 9), photos('dog', 9));
    expect((await preflight(dogs.reverse(), wrapped)).datasetDigest).toBe(datasetDigest);
    const shuffled = photos('dog', 9).map((entry, index) => ({ ...entry, name: `dog/${(index * 4) % 9}.jpg` }));
    expect((await preflight(photos('cat', 9), shuffled)).datasetDigest).toBe(datasetDigest);
    const renamed = photos('dog', 9).map((entry) => ({ ...entry, name: entry.name.replace('dog', 'wolf') }));
    expect((await preflight(photos('cat', 9), renamed)).datasetDigest).not.toBe(datasetDigest);
  });
});

describe('a data set that is too small', () => {
  test('one class is refused', async () => {
    await expect(preflight(photos('cat', 50))).rejects.toMatchObject({
      code: 'dataset_too_small',
      status: 422,
      message: 'at least 2 classes are needed, but there is only "cat"',
    });
  });

  test('four images in a class are refused, five are taken', async () => {
    await expect(preflight(photos('cat', 50), photos('dog', 4))).rejects.toMatchObject({
      code: 'dataset_too_small',
      message: 'every class needs at least 5 images that can be used, but "dog" has 4',
      context: { minimum_images_per_class: 5, classes: { dog: 4 } },
    });
    expect((await preflight(photos('cat', 50), photos('dog', 5))).classes).toEqual(['cat', 'dog']);
  });

  test('unreadable images do not count, and the error contains the report with the reasons', async () => {
    const broken = { name: 'dog/broken.jpg', content: 'broken' };
    await expect(preflight(photos('cat', 5), photos('dog', 4), broken)).rejects.toMatchObject({
      code: 'dataset_too_small',
      context: {
        preflight: {
          unreadable: { count: 1, examples: [{ file: 'dog/broken.jpg', label: 'dog', code: 'corrupt_image' }] },
        },
      },
    });
  });

  test('a class without training images is refused', async () => {
    await expect(
      preflight(photos('train/cat', 9), photos('train/dog', 9), photos('test/bird', 9)),
    ).rejects.toMatchObject({
      code: 'dataset_too_small',
      message: expect.stringContaining('there are none in "bird"'),
    });
  });
});

test('fewer than fifty images in a class is a warning', async () => {
  const result = await preflight(photos('cat', 50), photos('dog', 49));
  expect(codes(result)).toEqual(['few_images']);
  expect(result.report.warnings[0]?.context).toEqual({ minimum: 50, classes: { dog: 49 } });
});

test('a class of more than twice the images of another is a warning', async () => {
  expect(codes(await preflight(photos('cat', 100), photos('dog', 50)))).toEqual([]);
  const result = await preflight(photos('cat', 101), photos('dog', 50));
  expect(codes(result)).toEqual(['imbalance']);
  expect(result.report.warnings[0]?.context).toEqual({ ratio: 2.02, smallest: 'dog', largest: 'cat' });
});

test('classes with names that are alike are a warning', async () => {
  const names = ['Golden Retriever', 'golden_retriever', 'caf\u00e9', 'cafe', 'C', 'C++', '1', '-1'];
  const result = await preflight(...names.map((name) => photos(name, 50)));
  expect(codes(result)).toEqual(['class_names_alike']);
  expect(result.report.warnings[0]?.context).toEqual({
    groups: [
      ['Golden Retriever', 'golden_retriever'],
      ['cafe', 'caf\u00e9'],
    ],
  });
});

test('images smaller than the input of the model are a warning', async () => {
  const tiny = { name: 'cat/tiny.jpg', content: 'tiny' };
  const { report } = await preflight(photos('cat', 60), photos('dog', 60), tiny);
  expect(report.warnings.map(({ code }) => code)).toEqual(['small_images']);
  expect(report.small_images).toEqual({
    count: 1,
    minimum: [64, 64],
    examples: [{ file: 'cat/tiny.jpg', width: 10, height: 300 }],
  });
});

test('JPEGs without their end marker are used, and named', async () => {
  const result = await preflight(photos('cat', 60), photos('dog', 59), { name: 'dog/cut.jpg', content: 'endless' });
  expect(codes(result)).toEqual(['jpeg_without_end']);
  expect(result.report.warnings[0]?.context).toEqual({ count: 1, files: ['dog/cut.jpg'] });
  expect(result.images.map(({ file }) => file.name)).toContain('dog/cut.jpg');
});

test('an image that cannot be read is reported with the reason, and not used', async () => {
  const zip = await zipOf([
    ...photos('cat', 60),
    ...photos('dog', 60),
    { name: 'cat/broken.jpg', content: 'broken' },
    { name: 'cat/torn.jpg', content: 'as it was', compress: false },
  ]);
  const result = await preflightOf(swapped(zip, 'as it was', 'as it is!'));
  expect(codes(result)).toEqual(['unreadable']);
  expect(result.images).toHaveLength(120);
  expect(result.report.unreadable).toEqual({
    count: 2,
    examples: [
      { file: 'cat/broken.jpg', label: 'cat', code: 'corrupt_image', reason: 'The image is damaged.' },
      {
        file: 'cat/torn.jpg',
        label: 'cat',
        code: 'archive_corrupt',
        reason: '"cat/torn.jpg" is damaged in the archive: its checksum (CRC-32) is wrong',
      },
    ],
  });
});

test('ignored files are counted by reason', async () => {
  const noise = ['a.txt', 'b.txt', '.DS_Store', '__MACOSX/cat/._0.jpg'].map((name) => ({ name, content: '' }));
  const { report } = await preflight(photos('cat', 60), photos('dog', 60), noise);
  expect(report.ignored).toEqual({
    count: 4,
    reasons: [
      { reason: 'not_an_image', count: 2, examples: ['a.txt', 'b.txt'] },
      { reason: 'hidden', count: 1, examples: ['.DS_Store'] },
      { reason: 'system_file', count: 1, examples: ['__MACOSX/cat/._0.jpg'] },
    ],
  });
});

test('rows of labels.csv whose file does not exist are a warning', async () => {
  const images = [...photos('a', 60), ...photos('b', 60)];
  const rows = images.map(({ name }) => `${name},${name.startsWith('a') ? 'cat' : 'dog'}`);
  const table = { name: 'labels.csv', content: [...rows, 'lost.jpg,cat'].join('\n') };
  const result = await preflight(images, table);
  expect(codes(result)).toEqual(['missing']);
  expect(result.report.missing).toEqual({ count: 1, examples: ['lost.jpg'] });
});

describe('copies of an image', () => {
  test('with one label are a warning, are used, and stay in one split', async () => {
    const copies = Array.from({ length: 6 }, (_, index) => ({
      name: `cat/copy${index}.jpg`,
      content: `cat 0|${index}`,
    }));
    const result = await preflight(photos('cat', 60), photos('dog', 60), copies);
    expect(codes(result)).toEqual(['duplicates']);
    expect(result.report.duplicates.count).toBe(1);
    expect(result.report.duplicates.examples[0]?.map(({ file }) => file)).toEqual([
      'cat/0.jpg',
      ...copies.map(({ name }) => name),
    ]);
    expect(result.report.images.used).toBe(126);
    const sides = result.images.filter(({ pixelDigest }) => pixelDigest === result.images[0]?.pixelDigest);
    expect(sides).toHaveLength(7);
    expect(new Set(sides.map(({ split }) => split)).size).toBe(1);
  });

  test('with two labels are a warning and are not used', async () => {
    const result = await preflight(photos('cat', 60), photos('dog', 60), {
      name: 'dog/cat.jpg',
      content: 'cat 0|resaved',
    });
    expect(codes(result)).toEqual(['conflicting_labels']);
    expect(result.report.conflicting_labels).toEqual({
      count: 1,
      examples: [
        [
          { file: 'cat/0.jpg', label: 'cat' },
          { file: 'dog/cat.jpg', label: 'dog' },
        ],
      ],
    });
    expect(result.report.images).toMatchObject({ labelled: 121, left_out: 2, used: 119 });
    expect(result.images.some(({ file }) => file.name === 'cat/0.jpg')).toBe(false);
  });

  test('in training and test are a warning, and only the test keeps them', async () => {
    const result = await preflight(
      photos('train/cat', 60),
      photos('train/dog', 60),
      photos('test/cat', 20),
      photos('test/dog', 20),
      { name: 'test/cat/leak.jpg', content: 'train/cat 3|resaved' },
    );
    expect(codes(result)).toEqual(['leakage']);
    expect(result.report.leakage).toEqual({
      count: 1,
      examples: [
        [
          { file: 'test/cat/leak.jpg', label: 'cat', split: 'test' },
          { file: 'train/cat/3.jpg', label: 'cat', split: 'train' },
        ],
      ],
    });
    const used = result.images.map(({ file }) => file.name);
    expect(used).toContain('test/cat/leak.jpg');
    expect(used).not.toContain('train/cat/3.jpg');
  });
});

test('images that only look alike are a warning and are used', async () => {
  const result = await preflight(
    photos('cat', 60),
    photos('dog', 60),
    { name: 'cat/burst1.jpg', content: 'a looks 00ff' },
    { name: 'cat/burst2.jpg', content: 'b looks 000100fc' },
    { name: 'cat/other.jpg', content: 'c looks 003f000f' },
  );
  expect(codes(result)).toEqual(['near_duplicates']);
  expect(result.report.warnings[0]?.message).toBe(
    '1 pair of images looks alike: if both show the same photo, keep one of them',
  );
  expect(result.report.near_duplicates.examples.map((pair) => pair.map(({ file }) => file))).toEqual([
    ['cat/burst1.jpg', 'cat/burst2.jpg'],
  ]);
  expect(result.report.images.used).toBe(123);
});

test('each image is inspected once, with the digest of its bytes, and progress is reported', async () => {
  const seen: string[] = [];
  const progress: number[] = [];
  await preflightOf(await zipOf([...photos('cat', 6), ...photos('dog', 6)]), {
    inspect: async (content, digest) => {
      expect(digest).toBe(createHash('sha256').update(content).digest('hex'));
      seen.push(content.toString());
      return await inspect(content, digest);
    },
    onProgress: (done, total) => progress.push(done / total),
  });
  expect(new Set(seen).size).toBe(12);
  expect(seen).toHaveLength(12);
  expect(progress.at(-1)).toBe(1);
});

test('an error that is not about the image stops the inspection', async () => {
  let inspected = 0;
  const stopped = preflightOf(await zipOf([...photos('cat', 50), ...photos('dog', 50)]), {
    concurrency: 1,
    inspect: async (content, digest) => {
      inspected += 1;
      if (inspected === 3) throw new Error('the backbone failed');
      return await inspect(content, digest);
    },
  });
  await expect(stopped).rejects.toThrow('the backbone failed');
  expect(inspected).toBe(3);
});

describe('the concepts of classes', () => {
  const concepts = ({ report }: Preflight) =>
    report.classes.map(({ name, concept, suggestions }) => ({ name, concept, suggestions }));

  test('are suggested by the names, and count for nothing before somebody confirms them', async () => {
    const found = await preflight(photos('Ants', 6), photos('crane', 6), photos('zebra crossing', 6));
    expect(concepts(found)).toEqual([
      { name: 'Ants', suggestions: [{ synset: 'n02219486', label: 'ant' }] },
      {
        name: 'crane',
        suggestions: [
          { synset: 'n02012849', label: 'crane', gloss: 'a large wading bird' },
          { synset: 'n03126707', label: 'crane', gloss: 'lifts and moves loads' },
        ],
      },
      { name: 'zebra crossing' },
    ]);
    expect(found.synsets).toEqual([undefined, undefined, undefined]);
  });

  test('come from the request, then from a table, then from names that are synsets', async () => {
    const table = ['file,label,synset']
      .concat(Array.from({ length: 6 }, (_, i) => `a/${i}.jpg,ants,n02219486`))
      .concat(Array.from({ length: 6 }, (_, i) => `b/${i}.jpg,cranes,n02012849`))
      .concat(Array.from({ length: 6 }, (_, i) => `c/${i}.jpg,n00001740,`));
    const zip = await zipOf([
      { name: 'labels.csv', content: table.join('\n') },
      ...photos('a', 6),
      ...photos('b', 6),
      ...photos('c', 6),
    ]);
    const found = await preflightOf(zip, { synsets: { cranes: 'n03126707' } });
    expect(found.classes).toEqual(['ants', 'cranes', 'n00001740']);
    expect(found.synsets).toEqual(['n02219486', 'n03126707', 'n00001740']);
    expect(found.report.classes.map(({ concept }) => [concept?.label, concept?.from])).toEqual([
      ['ant', 'table'],
      ['crane', 'option'],
      ['entity', 'class_name'],
    ]);
  });

  test('that the zoo does not know are a warning, since nothing will be above them', async () => {
    const zip = await zipOf([...photos('cat', 60), ...photos('dog', 60)]);
    const found = await preflightOf(zip, { synsets: { cat: 'n99999999' } });
    expect(codes(found)).toEqual(['synset_not_known']);
    expect(found.report.warnings[0]?.message).toContain('n99999999 of "cat"');
    expect(found.synsets).toEqual(['n99999999', undefined]);
  });
});

test('images labelled _unknown are no class, and are split for the detector of unknown images', async () => {
  const source = await openArchive(
    fileOf(await zipOf([...photos('cat', 8), ...photos('dog', 8), ...photos('_unknown', 4)])),
  );
  const { classes, images, negatives, report } = await runPreflight(await readDataset(source), source, settings);
  expect(classes).toEqual(['cat', 'dog']);
  expect(images).toHaveLength(16);
  expect(negatives.map(({ split }) => split)).toContain('test');
  expect(negatives).toHaveLength(4);
  expect(report.images).toMatchObject({ labelled: 20, used: 16, negative: 4, left_out: 0 });
});
