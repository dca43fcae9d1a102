import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { stream } from '../../../../scripts/generated-tensors.ts';
import { elementCount, type Tensor } from '../../../../src/common/tensor.ts';
import { bufferSource } from '../../../../src/convert/formats/byte-source.ts';
import type { TfjsFiles } from '../../../../src/convert/formats/tfjs-import/files.ts';

/** Models that TF.js creates and saves, for tests. */
export interface SavedModel {
  readonly topology: object;
  readonly specs: tf.io.WeightsManifestEntry[];
  readonly weights: Uint8Array;
}

export async function useWasm(): Promise<void> {
  setWasmPaths(join(process.cwd(), 'node_modules/@tensorflow/tfjs-backend-wasm/dist/'));
  await tf.setBackend('wasm');
}

/** Sets every weight to values that follow from its name: initial batch norms and biases would hide mistakes. */
export function fillWeights(model: tf.LayersModel): void {
  model.setWeights(
    model.weights.map(({ name, shape }) => {
      const sizes = shape.map((size) => size ?? 0);
      const [low, high] = name.includes('variance') ? [0.5, 2] : [-0.5, 0.5];
      return tf.tensor(stream(name, elementCount(sizes), low, high), sizes);
    }),
  );
}

export async function save(model: tf.LayersModel): Promise<SavedModel> {
  let saved: SavedModel | undefined;
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology = {}, weightSpecs = [], weightData = new ArrayBuffer(0) }) => {
      const parts = Array.isArray(weightData) ? weightData : [weightData];
      const weights = Buffer.concat(parts.map((part) => new Uint8Array(part)));
      saved = { topology: modelTopology, specs: weightSpecs, weights };
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  if (saved === undefined) throw new Error('the model was not saved');
  return saved;
}

/** A saved model as an importer reads it, in shards of any size. */
export function filesOf({ topology, specs, weights }: SavedModel, shardBytes = 1000): TfjsFiles {
  const shards = Array.from({ length: Math.ceil(weights.length / shardBytes) }, (_, index) =>
    weights.subarray(index * shardBytes, (index + 1) * shardBytes),
  );
  const paths = shards.map((_, index) => `shard${index}.bin`);
  return {
    model: { format: 'layers-model', modelTopology: topology, weightsManifest: [{ paths, weights: specs }] },
    openShard: async (path) => bufferSource(shards[paths.indexOf(path)] ?? new Uint8Array(0)),
  };
}

/** The outputs of the model in TF.js. */
export function predict(model: tf.LayersModel, { data, shape }: Tensor): Tensor[] {
  const [n = 0, height = 0, width = 0, channels = 0] = shape;
  const x = tf.tensor4d(data, [n, height, width, channels]);
  const outputs = model.predict(x);
  return (Array.isArray(outputs) ? outputs : [outputs]).map((output) => ({
    data: Float32Array.from(output.dataSync()),
    shape: output.shape,
  }));
}
