import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { readCheckedJson, writeCheckedJson } from '../../common/checked-json.ts';
import { compiledEntry } from '../../common/compiled-entry.ts';
import { syncToDisk } from '../../common/durable-files.ts';
import { areIntact, digestFile, type FileDigest } from '../../common/file-digest.ts';
import { withStagingFolder } from '../../common/staging-folder.ts';
import type { PixelTensor, Tensor } from '../../common/tensor.ts';
import type { WeightStorage } from '../../convert/formats/tfjs/weights.ts';
import { requireTensorFlow } from '../../runtime/tensorflow-packages.ts';
import type { EngineModel } from '../../serving/engine-messages.ts';
import type { EnginePool } from '../../serving/engine-pool.ts';
import { argmaxRows, syntheticImages } from '../synthetic-images.ts';

/** Storage of quantized kernels. */
export type QuantizedStorage = Exclude<WeightStorage, 'float32'>;

/** Input of the worker. */
export interface QuantizationTask {
  readonly modelPath: string;
  /** The worker creates this folder and writes the files to it. */
  readonly folder: string;
  readonly storage: QuantizedStorage;
}

/** The largest difference of a probability that is expected. The record says when it is exceeded. */
const TOLERANCES: Readonly<Record<QuantizedStorage, number>> = { float16: 0.01, uint8: 0.1 };
/** Number of synthetic images on which a quantized model is compared. */
const PICTURES = 8;

const paritySchema = z.object({
  weights: z.enum(['float16', 'uint8']),
  /** Number of synthetic images on which it was compared with the float32 model in ONNX Runtime. */
  pictures: z.number(),
  max_probability_difference: z.number(),
  /** Share of the images for which both models have the same most probable class. */
  top1_agreement: z.number(),
  tolerance: z.number(),
  within_tolerance: z.boolean(),
});
/** How much a quantized model differs from the exact one, as the card shows it. */
export type QuantizationParity = z.output<typeof paritySchema>;

/** A TF.js model with quantized kernels. */
export interface QuantizedModel {
  /** `model.json`, then its shards. */
  readonly files: readonly FileDigest[];
  readonly parity: QuantizationParity;
}

/** The exact model in both formats. */
export interface QuantizableModel {
  readonly inputSize: readonly [height: number, width: number];
  readonly onnx: { readonly path: string };
  readonly tfjs: { readonly path: string };
}

const MODEL_FILE = 'model.json';
const RECORD_FILE = 'quantized.json';

/** `quantized.json` on disk: the parity and the files. */
const recordSchema = z.object({
  parity: paritySchema,
  files: z.array(z.object({ path: z.string(), sha256: z.string() })),
});

/** Quantizes TF.js models and measures the loss. Results are kept in the folder of the conversion. */
export class TfjsQuantizer {
  readonly #engines: Pick<EnginePool, 'acquire' | 'unload'>;
  readonly #pending = new Map<string, Promise<QuantizedModel>>();

  constructor(engines: Pick<EnginePool, 'acquire' | 'unload'>) {
    this.#engines = engines;
  }

  /** The quantized model. Concurrent calls share the work. @throws AppError `tensorflow_missing` */
  async get(model: QuantizableModel, storage: QuantizedStorage): Promise<QuantizedModel> {
    const folder = quantizedFolder(model, storage);
    const pending = this.#pending.get(folder) ?? this.#make(model, storage, folder);
    this.#pending.set(folder, pending);
    try {
      return await pending;
    } finally {
      this.#pending.delete(folder);
    }
  }

  async #make(model: QuantizableModel, storage: QuantizedStorage, folder: string): Promise<QuantizedModel> {
    const known = await readQuantized(folder);
    if (known !== undefined) return known;
    requireTensorFlow();
    // In the folder of conversions, where a start of the server removes what a crash has left.
    return await withStagingFolder(dirname(dirname(folder)), async (staging) => {
      const made = join(staging, 'tfjs');
      await quantize({ modelPath: model.tfjs.path, folder: made, storage });
      const parity = await this.#measure(model, join(made, MODEL_FILE), storage);
      const files = await Promise.all(
        (await namesOf(made)).map(async (path) => {
          await syncToDisk(join(made, path));
          return { path, sha256: (await digestFile(join(made, path))).sha256 };
        }),
      );
      await writeCheckedJson(join(made, RECORD_FILE), { parity, files });
      await rm(folder, { recursive: true, force: true });
      await rename(made, folder);
      await syncToDisk(dirname(folder));
      return { files: filesIn(folder, files), parity };
    });
  }

  async #measure(model: QuantizableModel, path: string, storage: QuantizedStorage): Promise<QuantizationParity> {
    const pixels = syntheticImages(PICTURES, model.inputSize);
    const key = `parity/${randomUUID()}`;
    const exact = await this.#probabilities(
      { key: `${key}/exact`, runtime: 'onnx', path: model.onnx.path, threads: 1 },
      pixels,
    );
    const rounded = await this.#probabilities({ key: `${key}/rounded`, runtime: 'tfjs', path, threads: 1 }, pixels);
    const differences = exact.data.map((value, index) => Math.abs(value - (rounded.data[index] ?? Number.NaN)));
    // NaN and infinity count as the largest possible difference.
    const difference = differences.reduce((most, value) => Math.max(most, Number.isFinite(value) ? value : 1), 0);
    const [best, found] = [argmaxRows(exact), argmaxRows(rounded)];
    const tolerance = TOLERANCES[storage];
    return {
      weights: storage,
      pictures: PICTURES,
      max_probability_difference: difference,
      top1_agreement: best.filter((index, row) => index === found[row]).length / PICTURES,
      tolerance,
      within_tolerance: difference <= tolerance,
    };
  }

  async #probabilities(model: EngineModel, pixels: PixelTensor): Promise<Tensor> {
    const engine = await this.#engines.acquire(model, 'bulk');
    try {
      const { probabilities } = await engine.run(pixels, ['probabilities']);
      if (probabilities === undefined) throw new Error('the engine returned no probabilities');
      return probabilities;
    } finally {
      engine.release();
      await this.#engines.unload([model.key]);
    }
  }
}

/** Where the quantized form of a converted model is. */
export function quantizedFolder({ onnx }: Pick<QuantizableModel, 'onnx'>, storage: QuantizedStorage): string {
  return join(dirname(onnx.path), `tfjs-${storage}`);
}

/** The model that was made earlier; undefined when there is none or one of its files is damaged. */
async function readQuantized(folder: string): Promise<QuantizedModel | undefined> {
  const record = await readCheckedJson(join(folder, RECORD_FILE), recordSchema);
  if (record === undefined) return undefined;
  const files = filesIn(folder, record.files);
  return (await areIntact(files)) ? { files, parity: record.parity } : undefined;
}

async function namesOf(folder: string): Promise<string[]> {
  return [MODEL_FILE, ...(await readdir(folder)).filter((name) => name.endsWith('.bin')).sort()];
}

function filesIn(folder: string, files: readonly FileDigest[]): FileDigest[] {
  return files.map(({ path, sha256 }) => ({ path: join(folder, path), sha256 }));
}

function quantize(workerData: QuantizationTask): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(compiledEntry(import.meta.url, 'quantization-worker.js'), { workerData });
    worker.on('error', reject);
    worker.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`the quantization worker exited with code ${code}`)),
    );
  });
}
