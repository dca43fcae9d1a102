import { describe, expect, test } from 'vitest';
import { openArchive } from '../../../src/finetuning/dataset/archive.ts';
import { type Dataset, readDataset } from '../../../src/finetuning/dataset/dataset.ts';
import { detectEncoding } from '../../../src/finetuning/dataset/detect-encoding.ts';
import { fileOf, swapped, zipOf } from './zip-fixtures.ts';

const bytes = (latin1: string) => Buffer.from(latin1, 'latin1');

describe('the encoding of names', () => {
  test.each([
    // データ/ソース, データ/ソフト
    ['shift_jis', ['\x83f\x81[\x83^/\x83\\\x81[\x83X/1.jpg', '\x83f\x81[\x83^/\x83\\\x83t\x83g/1.jpg']],
    // 猫, 犬, 表
    ['shift_jis', ['\x94L/1.jpg', '\x8c\xa2/1.jpg', '\x95\\/1.jpg']],
    // 猫, 狗, 鲤鱼
    ['gbk', ['\xc3\xa8/1.jpg', '\xb9\xb7/1.jpg', '\xc0\xf0\xd3\xe3/1.jpg']],
    // 蘋果, 香蕉, 功能
    ['big5', ['\xc4\xab\xaaG/1.jpg', '\xad\xbb\xbf\xbc/1.jpg', '\xa5\\\xaf\xe0/1.jpg']],
    ['windows-1252', ['K\xf6ter/1.jpg', '\xc4pfel/1.jpg', '\xe9t\xe9/1.jpg']],
    ['cp437', ['K\x94ter/1.jpg', '\x8epfel/1.jpg', '\x82t\x82/1.jpg']],
    ['cp437', ['\xb0\xb1/1.jpg', '\xff/2.jpg']],
  ])('%s is detected', (encoding, names) => {
    expect(detectEncoding(names.map(bytes), 'cp437')).toBe(encoding);
  });
});

/** The data set in a zip with these names, which are given as their bytes. */
async function datasetOf(names: readonly string[]): Promise<Dataset> {
  const stands = names.map((name, index) => String(index).padStart(name.length, 'x'));
  let zip = await zipOf(stands.map((name) => ({ name, content: 'x' })));
  names.forEach((name, index) => {
    zip = swapped(zip, stands[index] ?? '', bytes(name));
  });
  const source = await openArchive(fileOf(zip));
  try {
    return await readDataset(source);
  } finally {
    await source.close();
  }
}

test('names in Shift-JIS are readable, and a backslash as second byte of a letter separates no folders', async () => {
  const dataset = await datasetOf(['\x95\\/1.jpg', '\x83\\\x81[\x83X/1.jpg', '\x83\\\x83t\x83g/1.jpg']);
  expect(dataset.classes).toEqual(['ソフト', 'ソース', '表'].sort());
  expect(dataset.warnings).toMatchObject([{ code: 'name_encoding', context: { encoding: 'shift_jis' } }]);
});

test('names in UTF-8 give no warning, marked or not', async () => {
  const dataset = await datasetOf([
    ...['K\u00f6ter/1.jpg', '猫/1.jpg'].map((name) => Buffer.from(name).toString('latin1')),
  ]);
  expect(dataset).toMatchObject({ classes: ['K\u00f6ter', '猫'], warnings: [] });
});
