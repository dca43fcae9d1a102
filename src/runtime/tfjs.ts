import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { io, Tensor as TfTensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import type { PixelTensor, Tensor } from '../common/tensor.ts';
import {
  type AnswerName,
  OUTPUT_NAMES,
  type OutputName,
  type Outputs,
  requireFittingPixels,
  type Session,
  type SessionSource,
} from './session.ts';
import { loadTensorFlow, type TensorFlow } from './tensorflow.ts';

/** Opens a converted TF.js layers model. @throws Error when the files are no model, or no backend works */
export async function openTfjsSession({ path, threads, backend: wanted }: SessionSource): Promise<Session> {
  const options = wanted === undefined ? { threads } : { threads, backend: wanted };
  const { tf, backend, rejected } = await loadTensorFlow(options);
  const model = await tf.loadLayersModel({ load: () => readArtifacts(path) });
  const inputShape = pixelShape(model);
  const names = tensorNames(model);
  return {
    runtime: 'tfjs',
    backend,
    version: tf.version_core,
    rejected,
    run: async (pixels, outputs) => {
      requireFittingPixels(pixels, inputShape);
      const asked = outputs.map((output) => {
        if (output === 'explanation') throw new Error('explanations are computed by the ONNX model only');
        const name = names.get(output);
        if (name === undefined) throw new Error(`the TF.js model has no output ${output}`);
        return name;
      });
      const results = tf.tidy(() => execute(tf, model, pixels, asked));
      try {
        return await collect(outputs, results);
      } finally {
        tf.dispose(results);
      }
    },
    close: async () => {
      model.dispose();
    },
  };
}

/** Computes the named tensors and the layers that they depend on. */
function execute(tf: TensorFlow, model: LayersModel, { data, shape }: PixelTensor, names: string[]): TfTensor[] {
  const results = model.execute(tf.tensor(data, [...shape], 'float32'), names);
  return Array.isArray(results) ? results : [results];
}

async function collect(outputs: readonly AnswerName[], results: readonly TfTensor[]): Promise<Outputs> {
  const entries = outputs.map(async (output, index): Promise<[AnswerName, Tensor]> => {
    const result = results[index];
    if (result === undefined) throw new Error(`the TF.js model gave no ${output}`);
    return [output, { data: await result.data<'float32'>(), shape: result.shape }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** `[height, width, channels]` of the model's input. */
function pixelShape({ inputs: [input] }: LayersModel): number[] {
  const shape = input?.shape.slice(1) ?? [];
  if (shape.length !== 3) throw new Error('the TF.js model does not take one input of shape [n, height, width, 3]');
  return shape.map(Number);
}

/** The tensor of each output that the model has. The converter names the layers after the outputs. */
function tensorNames({ outputs, outputNames }: LayersModel): ReadonlyMap<OutputName, string> {
  return new Map(
    OUTPUT_NAMES.flatMap((output) => {
      const tensor = outputs[outputNames.indexOf(output)];
      return tensor === undefined ? [] : [[output, tensor.name] as const];
    }),
  );
}

const modelSchema = z.object({
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z.array(
    z.object({
      // Shards are in the folder of the model: a path could lead anywhere.
      paths: z.array(z.string().refine((path) => path === basename(path), 'a shard must be a plain file name')),
      weights: z.array(
        z.looseObject({ name: z.string(), shape: z.array(z.int().nonnegative()), dtype: z.literal('float32') }),
      ),
    }),
  ),
});

async function readArtifacts(path: string): Promise<io.ModelArtifacts> {
  const { modelTopology, weightsManifest } = modelSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  const shards = weightsManifest.flatMap(({ paths }) => paths);
  const contents = await Promise.all(shards.map((shard) => readFile(join(dirname(path), shard))));
  const weightSpecs = weightsManifest.flatMap(({ weights }): io.WeightsManifestEntry[] => weights);
  return { modelTopology, weightSpecs, weightData: contents.map((bytes) => new Uint8Array(bytes).buffer) };
}
