import { readFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { type Random, seededRandom } from '../../src/common/random.ts';
import { type FuzzInput, pick } from './fuzz-input.ts';
import { lieAboutSize } from './lie-about-size.ts';
import { mutateBytes } from './mutate-bytes.ts';

const WIDTH = 80;
const HEIGHT = 60;
/** HEIC has no encoder here. */
const HEIC_FILES = ['plain', 'alpha', 'ten-bit', 'second-is-primary'].map((name) => `test/cases/heic/${name}.heic`);
/** Types that a client may send an image as, right or wrong. */
const TYPES = ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/tiff', 'image/avif', 'image/heic'];
const MODELS = ['', 'resnet18_slim.tiny200', 'vgg11_bn_slim.tiny200', 'inception_v1_slim.tiny200'];
const BOUNDARY = 'fuzz-boundary';

/** Small pictures of every format that is accepted, in the variants that are decoded by code of their own. */
export async function seedImages(): Promise<Buffer[]> {
  const random = seededRandom(0);
  const noise = Buffer.from(Array.from({ length: WIDTH * HEIGHT * 3 }, () => random.below(256)));
  const rgb = () => sharp(noise, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } }).blur(2);
  const transparent = () => rgb().ensureAlpha(0.5);
  const grey = () => rgb().greyscale();
  const frame = await rgb().png().toBuffer();
  const frames = () => sharp([frame, frame], { join: { animated: true } });
  const pictures: Sharp[] = [
    rgb().jpeg(),
    rgb().jpeg({ progressive: true }),
    rgb().jpeg({ chromaSubsampling: '4:4:4' }).withMetadata({ orientation: 6 }),
    grey().jpeg(),
    rgb().toColourspace('cmyk').jpeg(),
    rgb().png(),
    transparent().png({ progressive: true }),
    rgb().png({ palette: true, colours: 16 }),
    grey().png(),
    rgb().toColourspace('rgb16').png(),
    rgb().webp(),
    transparent().webp(),
    rgb().webp({ lossless: true }),
    frames().webp({ delay: 100 }),
    rgb().gif(),
    frames().gif({ delay: 100 }),
    rgb().tiff({ compression: 'none' }),
    rgb().tiff({ compression: 'lzw', predictor: 'horizontal' }),
    rgb().tiff({ compression: 'deflate', tile: true, tileWidth: 16, tileHeight: 16 }),
    rgb().tiff({ compression: 'jpeg' }),
    grey().toColourspace('b-w').threshold().tiff({ compression: 'ccittfax4', bitdepth: 1 }),
    rgb().toColourspace('rgb16').tiff({ compression: 'none' }),
    rgb().avif({ effort: 0 }),
    transparent().avif({ effort: 0, lossless: true }),
  ];
  const files = HEIC_FILES.map((path) => readFile(path));
  return Promise.all([...pictures.map((picture) => picture.toBuffer()), ...files]);
}

/** The request of this number: one or a few damaged images for `/classify` or `/explain`. */
export function imageInput(seeds: readonly Buffer[], seed: number, index: number): FuzzInput {
  const random = seededRandom(seed, 2 * index);
  const explains = random.next() < 0.3;
  const path = explains ? explainPath(random) : classifyPath(random);
  const images = Array.from({ length: explains || random.next() < 0.8 ? 1 : 2 + random.below(3) }, () =>
    damaged(seeds, random),
  );
  const [only = Buffer.alloc(0)] = images;
  if (images.length === 1 && random.next() < 0.7) {
    const type = random.next() < 0.3 ? 'application/octet-stream' : pick(TYPES, random);
    return { path, headers: { 'content-type': type }, body: only };
  }
  return { path, headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }, body: formOf(images) };
}

function classifyPath(random: Random): string {
  const query = new URLSearchParams({ top_k: String(1 + random.below(5)) });
  const model = pick(MODELS, random);
  if (model !== '') query.set('model', model);
  if (random.next() < 0.05) query.set('runtime', 'tfjs');
  return `/classify?${query}`;
}

function explainPath(random: Random): string {
  return random.next() < 0.5 ? '/explain' : '/explain?format=png';
}

function damaged(seeds: readonly Buffer[], random: Random): Buffer {
  const image = pick(seeds, random);
  const draw = random.next();
  if (draw < 0.25) return lieAboutSize(image, random);
  if (draw < 0.35) {
    // The head of one format before the rest of another.
    const other = pick(seeds, random);
    return Buffer.concat([image.subarray(0, random.below(200)), other.subarray(random.below(other.length))]);
  }
  return mutateBytes(draw < 0.5 ? lieAboutSize(image, random) : image, random);
}

function formOf(images: readonly Buffer[]): Buffer {
  const parts = images.flatMap((image, index) => [
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="${index}"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    ),
    image,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}
