import { join } from 'node:path';
import { convertGraph } from '../src/convert/convert-model.ts';
import { createGraph } from '../src/convert/graph/graph.ts';
import { activation, conv2d, dense, globalAveragePool, normalize, pixels, softmax } from '../src/convert/graph/ir.ts';
import type { Weight } from '../src/convert/graph/tensors.ts';

/**
 * The smallest classifier whose answers can be worked out by hand. Its features are the means of red, green and blue in
 * 0..1, its three logits four times those, its activations the image itself in 0..1.
 *
 * @returns paths of the model in both formats
 */
export async function writeColourModel(folder: string, side = 4): Promise<{ onnx: string; tfjs: string }> {
  const input = pixels([side, side]);
  const scaled = normalize('scaled', input, [0, 0, 0], [1, 1, 1]);
  const convolution = conv2d('conv', scaled, { weight: diagonal('conv.weight', [3, 3, 1, 1], 1) });
  const activations = activation('relu', convolution, 'relu');
  const features = globalAveragePool('pool', activations);
  const logits = dense('fc', features, { weight: diagonal('fc.weight', [3, 3], 4) });
  const graph = createGraph(input, { probabilities: softmax('softmax', logits), logits, features, activations });
  const { onnx, tfjs } = await convertGraph(graph, join(folder, `colours-${side}`));
  if (tfjs === undefined) throw new Error('a graph of layers comes in both formats');
  return { onnx: onnx.path, tfjs: tfjs.path };
}

function diagonal(name: string, shape: readonly number[], value: number): Weight {
  const values = Float32Array.from({ length: 9 }, (_, index) => (index % 4 === 0 ? value : 0));
  return { name, shape, read: async () => values };
}

/** Pixels of one image of a single colour. */
export function plainImage([red, green, blue]: readonly [number, number, number], side = 4): Uint8Array {
  return Uint8Array.from({ length: side * side * 3 }, (_, index) => [red, green, blue][index % 3] ?? 0);
}
