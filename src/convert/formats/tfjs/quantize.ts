import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { byteLength, type Weight } from '../../graph/tensors.ts';
import { type ByteSource, openFile } from '../byte-source.ts';
import { type WrittenFile, writeFileThrough } from '../file-sink.ts';
import { type WeightStorage, writeWeights } from './weights.ts';

/** `model.json` as `writeTfjs` writes it, without quantization. */
const modelSchema = z.looseObject({
  weightsManifest: z.tuple([
    z.object({
      paths: z.array(z.string()),
      weights: z.array(
        z.strictObject({ name: z.string(), shape: z.array(z.int().nonnegative()), dtype: z.literal('float32') }),
      ),
    }),
  ]),
});

/**
 * Writes a copy of an emitted TF.js model with its kernels stored in fewer bytes; `tf.loadLayersModel` converts them
 * back to floats. Only one weight is in memory at a time.
 *
 * @param modelPath path of `model.json`, with its shards beside it
 * @param folder must not exist
 * @returns the files, beginning with `model.json`
 */
export async function quantizeTfjs(modelPath: string, folder: string, storage: WeightStorage): Promise<WrittenFile[]> {
  const model = modelSchema.parse(JSON.parse(await readFile(modelPath, 'utf8')));
  const [{ paths, weights }] = model.weightsManifest;
  await mkdir(folder);
  const shards = await ShardReader.open(paths.map((path) => join(dirname(modelPath), path)));
  try {
    const written = await writeWeights(shards.weights(weights), folder, storage, () => {});
    const weightsManifest = [{ paths: written.shards.map(({ path }) => basename(path)), weights: written.entries }];
    const json = Buffer.from(JSON.stringify({ ...model, weightsManifest }));
    const modelFile = await writeFileThrough(join(folder, 'model.json'), (sink) => sink.write(json));
    return [modelFile, ...written.shards];
  } finally {
    await shards.close();
  }
}

/** Reads files that together are one stream of floats. */
class ShardReader {
  readonly #files: readonly ByteSource[];

  private constructor(files: readonly ByteSource[]) {
    this.#files = files;
  }

  static async open(paths: readonly string[]): Promise<ShardReader> {
    const files: ByteSource[] = [];
    try {
      for (const path of paths) files.push(await openFile(path));
      return new ShardReader(files);
    } catch (error) {
      for (const file of files) await file.close();
      throw error;
    }
  }

  /** The weights, which follow each other in the stream. */
  weights(entries: readonly Pick<Weight, 'name' | 'shape'>[]): Weight[] {
    let end = 0;
    return entries.map(({ name, shape }) => {
      const begin = end;
      end += byteLength({ shape });
      return { name, shape, read: () => this.#read(begin, byteLength({ shape })) };
    });
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
  }

  async #read(begin: number, length: number): Promise<Float32Array> {
    const bytes = new Uint8Array(length);
    let fileBegin = 0;
    for (const file of this.#files) {
      const [from, to] = [Math.max(begin, fileBegin), Math.min(begin + length, fileBegin + file.size)];
      if (from < to) bytes.set(await file.read(from - fileBegin, to - fileBegin), from - begin);
      fileBegin += file.size;
    }
    if (begin + length > fileBegin)
      throw new Error(`the shards end after ${fileBegin} bytes, in the middle of a weight`);
    return new Float32Array(bytes.buffer);
  }
}
