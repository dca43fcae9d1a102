import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

/** Size of a made-up photo, about that of the images in ImageNet. */
const WIDTH = 500;
const HEIGHT = 375;
const COUNT = 50;

/** The JPEGs of a folder; without a folder, random pictures in the size of a photo. */
export async function loadPhotos(folder: string | undefined): Promise<Buffer[]> {
  if (folder === undefined) return Promise.all(Array.from({ length: COUNT }, madeUpPhoto));
  const files = (await readdir(folder)).filter((file) => /\.jpe?g$/i.test(file)).sort();
  if (files.length === 0) throw new Error(`there are no JPEGs in ${folder}`);
  return Promise.all(files.map((file) => readFile(join(folder, file))));
}

/** Writes `loadPhotos` into an empty folder, so that all processes have the same photos. */
export async function writePhotos(source: string | undefined, folder: string): Promise<void> {
  for (const [index, photo] of (await loadPhotos(source)).entries()) {
    await writeFile(join(folder, `${String(index).padStart(4, '0')}.jpg`), photo);
  }
}

/** Enlarged coarse noise plus fine noise: about as many bytes, and as much work to decode, as a photo. */
async function madeUpPhoto(): Promise<Buffer> {
  const coarse = await sharp(randomBytes(16 * 12 * 3), { raw: { width: 16, height: 12, channels: 3 } })
    .resize(WIDTH, HEIGHT, { kernel: 'cubic' })
    .raw()
    .toBuffer();
  const fine = randomBytes(coarse.length);
  const mixed = coarse.map((value, index) => Math.round(value * 0.9 + (fine[index] ?? 0) * 0.1));
  return sharp(mixed, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
}
