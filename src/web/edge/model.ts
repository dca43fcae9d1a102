import type { io } from '@tensorflow/tfjs-core';
import type { Client } from '../api/client.ts';
import { RequestError } from '../api/problem.ts';
import type { ModelCard, Operations, Prediction } from '../api/schema.ts';
import { readZip, type ZipEntry } from '../zip/read.ts';
import type { BrowserBackend } from './backends.ts';
import type { KeptModels } from './kept-models.ts';
import { type PixelRecipe, pixelsOf } from './pixels.ts';
import type { BrowserNetwork } from './tensorflow.ts';

/** The data type of the downloaded weights. */
export type Quantization = NonNullable<Operations['exportModel']['query']['quantize']>;

/** A model that runs in this browser. */
export interface BrowserModel extends Pick<BrowserNetwork, 'backend' | 'passed'> {
  readonly id: string;
  /** Bytes of its files. */
  readonly size: number;
  /** Whether it is the one that this browser has kept, since the server cannot be reached. */
  readonly wasKept: boolean;
  classify(picture: ImageBitmap | HTMLVideoElement): Promise<BrowserAnswer>;
  close(): void;
}

/** What a model in this browser says of an image. */
export interface BrowserAnswer {
  /** The most likely classes, best first. */
  readonly predictions: readonly Prediction[];
  /** Whether the image shows none of the classes; undefined when the model cannot tell. */
  readonly unknown: boolean | undefined;
}

export interface LoadOptions {
  readonly client: Client;
  readonly id: string;
  /** `auto` for the fastest that there is. */
  readonly backend: BrowserBackend | 'auto';
  readonly quantize: Quantization;
  readonly signal: AbortSignal;
  /** Where models are kept for later; absent where they are not. */
  readonly kept?: KeptModels | undefined;
  /** Called with the number of downloaded bytes. */
  readonly onProgress: (bytes: number) => void;
}

/** Classes in a prediction. */
const TOP_K = 5;

/** Downloads the TF.js export of a model, or takes the one that is kept when there is no connection, and loads it. */
export async function loadBrowserModel(options: LoadOptions): Promise<BrowserModel> {
  const { id, backend, kept } = options;
  const [{ zip, wasKept }, { openNetwork }] = await Promise.all([zipOf(options), import('./tensorflow.ts')]);
  const files = new Map((await readZip(zip)).map((file) => [file.name, file]));
  const card = JSON.parse(await textOf(files, 'card.json')) as ModelCard;
  const network = await openNetwork(await artifactsOf(files), backend);
  if (!wasKept) await kept?.keep(id, zip);
  return browserModel({ id, size: zip.size, wasKept }, card, network);
}

async function zipOf(options: LoadOptions): Promise<{ readonly zip: Blob; readonly wasKept: boolean }> {
  const { client, id, quantize, signal, kept, onProgress } = options;
  const query = quantize === 'float32' ? { format: 'tfjs' as const } : { format: 'tfjs' as const, quantize };
  try {
    const response = await client.call('exportModel', { path: { id }, query, signal });
    return { zip: await received(response, onProgress), wasKept: false };
  } catch (thrown) {
    if (!(thrown instanceof RequestError) || thrown.code !== 'unreachable') throw thrown;
    const zip = await kept?.find(id);
    if (zip === undefined) throw thrown;
    return { zip, wasKept: true };
  }
}

function browserModel(
  file: Pick<BrowserModel, 'id' | 'size' | 'wasKept'>,
  card: ModelCard,
  network: BrowserNetwork,
): BrowserModel {
  const { input, preprocessing, classes, unknown_threshold: threshold } = card;
  const { backend, passed } = network;
  const recipe: PixelRecipe = {
    inputSize: [input.height, input.width],
    resizeMode: preprocessing.resize_mode,
    padColor: preprocessing.pad_color,
    cropPct: preprocessing.crop_pct,
    // The page cannot resample with nearest neighbours.
    kernel: preprocessing.interpolation === 'nearest' ? 'bilinear' : preprocessing.interpolation,
  };
  return {
    ...file,
    backend,
    passed,
    classify: async (picture) => {
      const { probabilities, novelty } = await network.classify(pixelsOf(picture, recipe));
      const predictions = Array.from(probabilities, (score, index) => ({ index, score }))
        .sort((a, b) => b.score - a.score)
        .slice(0, TOP_K)
        .map(({ index, score }) => ({
          index,
          score,
          label: classes[index]?.label ?? `class ${index}`,
          synset: classes[index]?.synset ?? null,
        }));
      const best = predictions[0]?.score ?? 0;
      // As on the server: versions from before there were detectors go by their best score.
      const unknown = novelty !== undefined ? novelty > 1 : threshold === undefined ? undefined : best < threshold;
      return { predictions, unknown };
    },
    close: () => network.close(),
  };
}

async function received(response: Response, onProgress: (bytes: number) => void): Promise<Blob> {
  if (response.body === null) return response.blob();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    bytes += value.length;
    onProgress(bytes);
  }
}

/** The parts of a TensorFlow.js `model.json` that are used here. */
interface ModelJson {
  readonly modelTopology: object;
  readonly weightsManifest: readonly {
    readonly paths: readonly string[];
    readonly weights: readonly io.WeightsManifestEntry[];
  }[];
}

async function artifactsOf(files: ReadonlyMap<string, ZipEntry>): Promise<io.ModelArtifacts> {
  const { modelTopology, weightsManifest } = JSON.parse(await textOf(files, 'model.json')) as ModelJson;
  const shards = weightsManifest.flatMap(({ paths }) => paths);
  const contents = await Promise.all(shards.map((shard) => fileOf(files, shard).read()));
  return {
    modelTopology,
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: await new Blob(contents).arrayBuffer(),
  };
}

async function textOf(files: ReadonlyMap<string, ZipEntry>, name: string): Promise<string> {
  return (await fileOf(files, name).read()).text();
}

function fileOf(files: ReadonlyMap<string, ZipEntry>, name: string): ZipEntry {
  const file = files.get(name);
  if (file === undefined) throw new Error(`The downloaded model lacks ${name}. Load it again.`);
  return file;
}
