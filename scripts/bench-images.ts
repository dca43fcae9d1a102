/** Measures the CPU time from the bytes of a JPEG to the pixels of a model, beside Pillow's and earlier versions'. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { preprocessImage } from '../src/image/preprocess.ts';
import { loadPhotos } from './bench/photos.ts';
import { Pillow } from './bench/pillow.ts';
import { readCommandLine, wholeNumber } from './command-line.ts';

const USAGE = `usage: npm run bench:images -- [options] [<checkout> ...]

Prints the milliseconds of CPU time that a JPEG takes from its bytes to the input of a model, as
the median of interleaved rounds: Menagerie's, Pillow's, and those of other built checkouts of
Menagerie.

  --photos <folder>   JPEGs that the test images are made of (default: made-up ones)
  --rounds <n>        (default: 7)
  --python <path>     Python with Pillow (default: python3); "" for none`;

const options = readCommandLine(
  USAGE,
  {
    photos: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    python: { type: 'string', default: 'python3' },
  },
  ({ values, positionals }) => ({
    ...values,
    checkouts: positionals,
    rounds: wholeNumber('--rounds', values.rounds, 1),
  }),
);

const SIZES = [
  { width: 500, height: 375, files: 12 },
  { width: 1600, height: 1200, files: 4 },
  { width: 4000, height: 3000, files: 2 },
] as const;
const INPUTS = [64, 224, 299] as const;
const CROP_PCT = 0.875;

interface Photo {
  readonly path: string;
  readonly bytes: Buffer;
}

interface Contestant {
  readonly name: string;
  /** Milliseconds of CPU time for all photos. */
  readonly measure: (photos: readonly Photo[], input: number) => Promise<number>;
}

const folder = await mkdtemp(join(tmpdir(), 'bench-images-'));
const pillow = options.python === '' ? undefined : new Pillow(options.python);
try {
  const contestants = [
    menagerie('Menagerie', preprocessImage),
    ...(pillow === undefined ? [] : [withPillow('Pillow', pillow, false), withPillow('Pillow, draft', pillow, true)]),
    ...(await Promise.all(options.checkouts.map(checkout))),
  ];
  const sources = await loadPhotos(options.photos);
  const heads = ['JPEG', 'input', ...contestants.map(({ name }) => name)];
  console.log(`| ${heads.join(' | ')} |\n|${' --- |'.repeat(heads.length)}`);
  for (const { files, ...size } of SIZES) {
    for (const progressive of [false, true]) {
      const photos = await Promise.all(
        sources.slice(0, files).map(async (source, index): Promise<Photo> => {
          const path = join(folder, `${size.width}-${progressive}-${index}.jpg`);
          const bytes = await sharp(source).resize(size).jpeg({ quality: 90, progressive }).toBuffer();
          await writeFile(path, bytes);
          return { path, bytes };
        }),
      );
      for (const input of INPUTS) {
        const medians = await compare(contestants, photos, input);
        const kind = `${size.width} x ${size.height} ${progressive ? 'progressive' : 'baseline'}`;
        console.log(`| ${[kind, input, ...medians.map((ms) => ms.toFixed(2))].join(' | ')} |`);
      }
    }
  }
} finally {
  pillow?.close();
  await rm(folder, { recursive: true });
}

/** Milliseconds of CPU time an image, the median of all rounds but the first, which warms up. */
async function compare(all: readonly Contestant[], photos: readonly Photo[], input: number): Promise<number[]> {
  const times = all.map((): number[] => []);
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const [index, { measure }] of all.entries()) {
      const ms = await measure(photos, input);
      if (round > 0) times[index]?.push(ms / photos.length);
    }
  }
  return times.map((each) => each.toSorted((a, b) => a - b)[each.length >> 1] ?? Number.NaN);
}

function menagerie(name: string, preprocess: typeof preprocessImage): Contestant {
  const measure = async (photos: readonly Photo[], input: number): Promise<number> => {
    const recipe = {
      inputSize: [input, input],
      resizeMode: 'crop',
      cropPct: CROP_PCT,
      interpolation: 'bilinear',
    } as const;
    const before = process.cpuUsage();
    for (const { bytes } of photos) await preprocess(bytes, recipe, 50_000_000);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  return { name, measure };
}

async function checkout(path: string): Promise<Contestant> {
  const url = pathToFileURL(resolve(path, 'dist/src/image/preprocess.js'));
  const module = (await import(url.href)) as { readonly preprocessImage: typeof preprocessImage };
  return menagerie(path, module.preprocessImage);
}

function withPillow(name: string, process: Pillow, draft: boolean): Contestant {
  const measure = (photos: readonly Photo[], crop: number) =>
    process.measure({ files: photos.map(({ path }) => path), side: Math.floor(crop / CROP_PCT), crop, draft });
  return { name, measure };
}
