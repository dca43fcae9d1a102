import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProgressBar } from '../../src/command/progress-bar.ts';
import { forEachConcurrently } from '../../src/common/concurrency.ts';
import { seededRandom } from '../../src/common/random.ts';
import type { OfferedLayer } from '../../src/convert/transfer/layered-network.ts';
import { openImageSource, readDataset } from '../../src/finetuning/dataset/dataset.ts';
import { assignSplits, SPLIT_DEFAULTS } from '../../src/finetuning/dataset/dataset-split.ts';
import type { DatasetFeatures } from '../../src/finetuning/features/dataset-features.ts';
import { FeatureExtraction } from '../../src/finetuning/features/feature-extraction.ts';
import { openLayeredNetwork } from '../../src/finetuning/features/feature-network.ts';
import type { Samples } from '../../src/finetuning/features/feature-set.ts';
import { parseFinetuneOptions } from '../../src/finetuning/finetune-options.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import type { ScriptContext } from '../with-services.ts';

/** An image of a pool: its features, and those of its augmented copies where it may be drawn for training. */
interface PooledImage {
  readonly label: number;
  readonly digest: string;
  readonly features: Float32Array;
  /** Undefined for an image that is only for tests. */
  readonly copies: readonly Float32Array[] | undefined;
  /** Whether it is tested on where it was not drawn. */
  readonly tests: boolean;
}

/** Features of a data set from which training sets of a few images are drawn. */
export interface FeaturePool {
  readonly classes: readonly string[];
  readonly layers: readonly OfferedLayer[];
  readonly images: readonly PooledImage[];
}

/** Images of each class that may be drawn for training, and that are tested on at most. */
const TRAINING_POOL = 40;
const TESTED = 100;
const IN_FLIGHT = 32;
/** Stream of the seed that draws the training images. */
const DRAWING = 11;

/** Computes the features of a data set's images on a backbone, as a fine-tune with default options does. */
export async function readFeaturePool(
  path: string,
  model: ModelVersion,
  { services, config }: ScriptContext,
): Promise<FeaturePool> {
  const { key, onnx, maxBatch } = await services.conversions.get(model);
  const { manifest, name, version } = model;
  const { weightsPath } = await model.files();
  const workDir = await mkdtemp(join(tmpdir(), 'menagerie-few-images-'));
  const source = await openImageSource(path);
  const network = await openLayeredNetwork(
    {
      name,
      version,
      manifest: manifest.file,
      preprocessing: { ...manifest.preprocessing, icc: manifest.preprocessing.icc ?? config.icc },
      labels: [],
      weightsPath,
      key,
      onnxPath: onnx.path,
      maxBatch,
    },
    workDir,
  );
  try {
    const { augmentation, seed } = parseFinetuneOptions({ name: 'few-images' });
    const cacheDir = join(config.dataDir, 'features');
    const extraction = await FeatureExtraction.open({
      network,
      augmentation,
      seed,
      cacheDir,
      maxPixels: config.maxImagePixels,
    });
    try {
      const { files, classes } = await readDataset(source);
      const kept = choose(files);
      const bar = new ProgressBar('images');
      const images: PooledImage[] = [];
      let done = 0;
      await forEachConcurrently(kept.entries(), IN_FLIGHT, async ([position, { file, label, trains, tests }]) => {
        const content = await source.read(file);
        const digest = createHash('sha256').update(content).digest('hex');
        await extraction.inspect(content, digest);
        images[position] = {
          label: classes.indexOf(label),
          digest,
          tests,
          features: await extraction.original(digest),
          copies: trains ? await extraction.copies(digest, async () => content) : undefined,
        };
        done += 1;
        bar.update(done, kept.length);
      });
      bar.end();
      return { classes, layers: network.layers, images };
    } finally {
      extraction.close();
    }
  } finally {
    await network.close();
    await source.close();
    await rm(workDir, { recursive: true, force: true });
  }
}

/**
 * The images that are used: of each class those that training sets are drawn from, and those that are only tested on,
 * of the test split where the data set has one.
 */
function choose<T extends { readonly label: string; readonly split: string | undefined }>(
  files: readonly T[],
): (T & { readonly trains: boolean; readonly tests: boolean })[] {
  const hasTest = files.some(({ split }) => split === 'test');
  const random = seededRandom(0, DRAWING);
  return [...new Set(files.map(({ label }) => label))].flatMap((label) => {
    const order = random.shuffle(files.filter((file) => file.label === label));
    const training = order.filter(({ split }) => split !== 'test').slice(0, TRAINING_POOL);
    const rest = order.filter((file) => !training.includes(file) && (!hasTest || file.split === 'test'));
    return [
      ...training.map((file) => ({ ...file, trains: true, tests: !hasTest })),
      ...rest.slice(0, TESTED).map((file) => ({ ...file, trains: false, tests: true })),
    ];
  });
}

/**
 * A training set of `perClass` images of each class, with the validation split of a fine-tune, and all other images as
 * test images.
 */
export function drawFewImages({ layers, images }: FeaturePool, perClass: number, seed: number): DatasetFeatures {
  const random = seededRandom(seed, DRAWING);
  const drawn: PooledImage[] = [];
  for (const label of new Set(images.map((image) => image.label))) {
    const own = random.shuffle(images.filter((image) => image.label === label && image.copies !== undefined));
    drawn.push(...own.slice(0, perClass));
  }
  const splits = assignSplits(
    drawn.map(({ label, digest }) => ({ label: String(label), digest, split: undefined })),
    { seed, validationShare: SPLIT_DEFAULTS.validationShare, testShare: 0 },
  );
  const train = drawn.filter((_, i) => splits[i] === 'train');
  const validation = drawn.filter((_, i) => splits[i] === 'validation');
  const test = images.filter((image) => image.tests && !drawn.includes(image));
  const dimension = layers.reduce((sum, { size }) => sum + size, 0);
  const copies = train.flatMap((image, index) => (image.copies ?? []).map((features) => ({ features, index })));
  return {
    layers,
    train: {
      set: {
        name: 'features',
        dimension,
        originals: samples(train).features,
        copies: {
          features: matrix(copies.map(({ features }) => features)),
          sources: Int32Array.from(copies, ({ index }) => index),
        },
      },
      labels: samples(train).labels,
    },
    validation: samples(validation),
    test: samples(test),
    testNames: test.map(({ digest }) => digest),
  };
}

function samples(images: readonly PooledImage[]): Samples {
  return {
    features: matrix(images.map(({ features }) => features)),
    labels: Int32Array.from(images, ({ label }) => label),
  };
}

function matrix(rows: readonly Float32Array[]): Float32Array {
  const dimension = rows[0]?.length ?? 0;
  const result = new Float32Array(rows.length * dimension);
  for (const [index, row] of rows.entries()) result.set(row, index * dimension);
  return result;
}
