/**
 * The project's own data sets in the shapes that people share. The images are drawn here, and nothing is taken from
 * elsewhere: each shape is a list of names in `dataset-shapes.ts`. To have the zips as files, for a look or a server:
 *
 *     CASES=/tmp/cases npx vitest run --config test/vitest.config.ts test/cases
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { patched, swapped, type ZipEntry, zipOf } from '../finetuning/dataset/zip-fixtures.ts';
import { type DatasetShape, IMAGES, SHAPES } from './dataset-shapes.ts';

/** A drawing of coloured squares that differs for each name, so that no two images look alike. */
async function drawing(name: string): Promise<Buffer> {
  const side = 4;
  let state = 7;
  for (const letter of name) state = (state * 31 + letter.charCodeAt(0)) >>> 0;
  const pixels = Uint8Array.from({ length: side * side * 3 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  return await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .resize(64, 64, { kernel: 'nearest' })
    .jpeg()
    .toBuffer();
}

/** The entries of a shape. @param draw gives the content of an image by its name */
export async function entriesOf(
  { images, originalOf = (name) => name, others = [], folders = [] }: Omit<DatasetShape, 'right' | 'warnings'>,
  draw: (name: string) => Promise<Buffer> | Buffer,
): Promise<readonly ZipEntry[]> {
  const drawn = await Promise.all(images.map(async (name) => ({ name, content: await draw(originalOf(name)) })));
  return [...drawn, ...others, ...folders.map((name) => ({ name, content: '' }))];
}

/** A data set whose names are in an encoding without any mark: classes by their bytes, as Latin-1. */
export interface EncodedCase {
  readonly names: readonly string[];
  readonly right: readonly string[];
}

/** Classes of names in encodings without a mark. */
export const ENCODED: Readonly<Record<string, EncodedCase>> = {
  // ソース and ソウル: the second byte of the first letter is a backslash.
  shift_jis: { names: ['\x83\\\x81[\x83X', '\x83\\\x83E\x83\x8b'], right: ['ソース', 'ソウル'] },
  gbk: { names: ['\xc3\xa8', '\xb9\xb7'], right: ['猫', '狗'] },
  big5: { names: ['\xc4\xab\xaaG', '\xad\xbb\xbf\xbc'], right: ['蘋果', '香蕉'] },
  euc_kr: { names: ['\xb0\xed\xbe\xe7\xc0\xcc', '\xb0\xad\xbe\xc6\xc1\xf6'], right: ['고양이', '강아지'] },
  windows_1251: { names: ['\xca\xee\xf8\xea\xe8', '\xd1\xee\xe1\xe0\xea\xe8'], right: ['Кошки', 'Собаки'] },
  koi8_r: { names: ['\xeb\xcf\xdb\xcb\xc9', '\xf3\xcf\xc2\xc1\xcb\xc9'], right: ['Кошки', 'Собаки'] },
  cp866: { names: ['\x8a\xae\xe8\xaa\xa8', '\x91\xae\xa1\xa0\xaa\xa8'], right: ['Кошки', 'Собаки'] },
  windows_1252: { names: ['K\xf6ter', '\xc4pfel'], right: ['Köter', 'Äpfel'] },
  cp437: { names: ['K\x94ter', '\x8epfel'], right: ['Köter', 'Äpfel'] },
  cp850: { names: ['ma\x87\xc6', 'lim\xc6o'], right: ['maçã', 'limão'] },
  colon: { names: ['b:w', 'cat'], right: ['b:w', 'cat'] },
};

/** The zip of an encoded case. */
export async function encodedZip(
  { names }: EncodedCase,
  draw: (name: string) => Promise<Buffer> | Buffer,
): Promise<Buffer> {
  const stands = names.map((name, index) => `${String(index).padStart(name.length, 'x')}/`);
  const images = stands.flatMap((stand) => Array.from({ length: IMAGES }, (_, index) => `${stand}${index}.jpg`));
  const marked = names.reduce(
    (zip, name, index) => swapped(zip, stands[index] ?? '', Buffer.from(`${name}/`, 'latin1')),
    await zipOf(await entriesOf({ images }, draw)),
  );
  return images.reduce((zip, _, index) => patched(zip, index, 'flags', 0), marked);
}

/** Writes a zip with drawn images for each case. */
export async function writeDatasetCases(folder: string): Promise<void> {
  for (const [name, shape] of Object.entries(SHAPES)) {
    writeFileSync(join(folder, `${name}.zip`), await zipOf(await entriesOf(shape, drawing)));
  }
  for (const [name, encoded] of Object.entries(ENCODED)) {
    writeFileSync(join(folder, `${name}.zip`), await encodedZip(encoded, drawing));
  }
}
