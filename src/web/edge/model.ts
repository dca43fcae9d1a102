import type { io } from '@tensorflow/tfjs-core';
import type { Client } from '../api/client.ts';
import type { ModelCard, Operations, Prediction } from '../api/schema.ts';
import { readZip, type ZippedFile } from '../zip/read.ts';
import { type PixelRecipe, pixelsOf } from './pixels.ts';
import type { BrowserBackend, BrowserNetwork } from './tensorflow.ts';

/** How the weights travel. */
export type Quantization = NonNullable<Operations['exportModel']['query']['quantize']>;

/** A model that has left the server. */
export interface BrowserModel {
  readonly id: string;
  /** Bytes that came. */
  readonly size: number;
  /** The likeliest classes of a picture. */
  classify(picture: ImageBitmap | HTMLVideoElement): Promise<readonly Prediction[]>;
  close(): void;
}

export interface LoadOptions {
  readonly client: Client;
  readonly id: string;
  readonly backend: BrowserBackend;
  readonly quantize: Quantization;
  readonly signal: AbortSignal;
  /** Told how many bytes are here. */
  readonly onProgress: (bytes: number) => void;
}

/** Classes that are named. */
const TOP_K = 5;

/** Fetches the TF.js export of a model and opens it in this browser. */
export async function loadBrowserModel({
  client,
  id,
  backend,
  quantize,
  signal,
  onProgress,
}: LoadOptions): Promise<BrowserModel> {
  const query = quantize === 'float32' ? { format: 'tfjs' as const } : { format: 'tfjs' as const, quantize };
  const [response, { openNetwork }] = await Promise.all([
    client.call('exportModel', { path: { id }, query, signal }),
    import('./tensorflow.ts'),
  ]);
  const zip = await received(response, onProgress);
  const files = new Map((await readZip(zip)).map((file) => [file.name, file]));
  const card = JSON.parse(await textOf(files, 'card.json')) as ModelCard;
  const network = await openNetwork(await artifactsOf(files), backend);
  return browserModel(id, zip.size, card, network);
}

function browserModel(id: string, size: number, card: ModelCard, network: BrowserNetwork): BrowserModel {
  const { input, preprocessing, classes } = card;
  const recipe: PixelRecipe = {
    inputSize: [input.height, input.width],
    cropPct: preprocessing.crop_pct,
    // Nearest neighbours are for drawings; no photo is worse for being smoothed.
    kernel: preprocessing.interpolation === 'nearest' ? 'bilinear' : preprocessing.interpolation,
  };
  return {
    id,
    size,
    classify: async (picture) => {
      const scores = await network.classify(pixelsOf(picture, recipe));
      return Array.from(scores, (score, index) => ({ index, score }))
        .sort((a, b) => b.score - a.score)
        .slice(0, TOP_K)
        .map(({ index, score }) => ({
          index,
          score,
          label: classes[index]?.label ?? `class ${index}`,
          synset: classes[index]?.synset ?? null,
        }));
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

/** `model.json` as TensorFlow.js writes it, as far as it is read here. */
interface ModelJson {
  readonly modelTopology: object;
  readonly weightsManifest: readonly {
    readonly paths: readonly string[];
    readonly weights: readonly io.WeightsManifestEntry[];
  }[];
}

async function artifactsOf(files: ReadonlyMap<string, ZippedFile>): Promise<io.ModelArtifacts> {
  const { modelTopology, weightsManifest } = JSON.parse(await textOf(files, 'model.json')) as ModelJson;
  const shards = weightsManifest.flatMap(({ paths }) => paths);
  const contents = await Promise.all(shards.map((shard) => fileOf(files, shard).read()));
  return {
    modelTopology,
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: await new Blob(contents).arrayBuffer(),
  };
}

async function textOf(files: ReadonlyMap<string, ZippedFile>, name: string): Promise<string> {
  return (await fileOf(files, name).read()).text();
}

function fileOf(files: ReadonlyMap<string, ZippedFile>, name: string): ZippedFile {
  const file = files.get(name);
  if (file === undefined) throw new Error(`The export of the model lacks ${name}: load it again.`);
  return file;
}
