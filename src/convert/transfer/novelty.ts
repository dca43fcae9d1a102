import { ConversionError } from '../conversion-error.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { float32Tensor, writeSafetensors } from '../formats/safetensors/writer.ts';
import { createGraph, type Graph } from '../graph/graph.ts';
import { dense, join, layerNorm, max, multiply, type Node, type VectorNode } from '../graph/ir.ts';
import type { Weight } from '../graph/tensors.ts';

/**
 * Added to the variance of the features, of which a network may have any scale: it only keeps features that are all
 * equal from becoming infinite.
 */
export const NOVELTY_EPSILON = 1e-12;

/**
 * A detector of images that show none of the classes, as numbers. Of features `x` `[dimension]` it computes
 * `u = (x - mean(x)) / sqrt(variance(x) + NOVELTY_EPSILON)` and
 * `novelty = -(max_c(classes_c u + bias_c) + |projection u|^2) / threshold`, which is above 1 for an unknown image.
 * A Mahalanobis distance with one covariance for all classes has this form.
 */
export interface NoveltyValues {
  readonly dimension: number;
  /** `[rows, dimension]`, row by row. */
  readonly classes: Float32Array;
  /** `[rows]` */
  readonly bias: Float32Array;
  /** `[rank, dimension]`, row by row. */
  readonly projection: Float32Array;
  /** Positive. */
  readonly threshold: number;
  /**
   * Dense layers between the features that it reads and the logits: 1 when it reads the input of the last layer. Of
   * features that join several layers it reads the last.
   */
  readonly layers: number;
  /** Of an imported model, which may have any layers: the value that it reads, instead of `layers`. */
  readonly reads?: string | undefined;
}

/** A detector as a graph reads it: its tensors are read on demand. */
export interface NoveltyTensors {
  readonly classes: Weight;
  readonly bias: Weight;
  readonly projection: Weight;
  /** `[1, rank + 1]`: adds the squares and the maximum. */
  readonly sum: Weight;
  readonly layers: number;
  readonly reads?: string | undefined;
}

/** Names of its tensors, in files and in networks. */
export const NOVELTY_TENSORS = ['novelty.classes', 'novelty.bias', 'novelty.projection', 'novelty.sum'] as const;
/** The layer that reads the features. */
export const NOVELTY_ENTRY = 'novelty.normalized';

/** Writes a detector to a safetensors file. @throws Error when `path` exists */
export async function writeNovelty(values: NoveltyValues, path: string): Promise<void> {
  const { dimension, classes, bias, projection, threshold, layers, reads } = values;
  const rank = projection.length / dimension;
  const shapes = [[bias.length, dimension], [bias.length], [rank, dimension], [1, rank + 1]] as const;
  const numbers = [classes, bias, projection, new Float32Array(rank + 1).fill(-1 / threshold)] as const;
  const tensors = NOVELTY_TENSORS.map((name, index) =>
    float32Tensor(name, shapes[index] ?? [], numbers[index] ?? new Float32Array()),
  );
  await writeSafetensors(path, tensors, { layers: String(layers), ...(reads !== undefined && { reads }) });
}

/** Adds the output `novelty` to a graph. @throws ConversionError when detector and graph do not fit each other */
export function attachNovelty(graph: Graph, tensors: NoveltyTensors): Graph {
  const novelty = noveltyOf(featuresBelow(graph, tensors), tensors);
  return createGraph(graph.input, { ...graph.outputs, novelty });
}

/** The layers of a detector, on the features that it reads. @throws ConversionError when their numbers differ */
export function noveltyOf(features: VectorNode, tensors: NoveltyTensors): VectorNode {
  const { classes, bias, projection, sum } = tensors;
  const normalized = layerNorm(NOVELTY_ENTRY, features, NOVELTY_EPSILON);
  const nearest = max('novelty.nearest', dense('novelty.classes', normalized, { weight: classes, bias }));
  const projected = dense('novelty.projected', normalized, { weight: projection });
  const squares = multiply('novelty.squares', projected, projected);
  return dense('novelty', join('novelty.joined', [squares, nearest]), { weight: sum });
}

/** Opens a detector's file for the time of `use`. @throws ConversionError when it is no such file */
export async function withNovelty<T>(path: string, use: (tensors: NoveltyTensors) => Promise<T>): Promise<T> {
  const file = await SafetensorsFile.open(path);
  try {
    const [classes, bias, projection, sum] = NOVELTY_TENSORS.map((name): Weight => {
      const shape = file.shape(name);
      if (shape === undefined) throw new ConversionError(`the file of the detector has no tensor "${name}"`);
      return { name, shape, read: () => file.read(name) };
    }) as [Weight, Weight, Weight, Weight];
    const { layers = 1, reads } = file.metadata;
    return await use({ classes, bias, projection, sum, layers: Number(layers), reads });
  } finally {
    await file.close();
  }
}

/** The features with a number of dense layers between them and the logits; of joined ones the last. */
function featuresBelow({ outputs: { features } }: Graph, { layers, classes }: NoveltyTensors): VectorNode {
  let node: Node = features;
  for (let layer = 1; layer < layers; layer += 1) {
    // A hidden layer is a dense layer and its relu.
    const entering: Node | undefined = node.inputs[0]?.inputs[0];
    if (entering === undefined) throw new ConversionError(`there are no ${layers} dense layers before the logits`);
    node = entering;
  }
  const fits = (each: Node | undefined) => each?.shape.kind === 'vector' && each.shape.length === classes.shape[1];
  const read = fits(node) ? node : node.inputs.at(-1);
  if (read === undefined || !fits(read)) {
    throw new ConversionError(`the detector reads ${classes.shape[1]} features, which "${node.name}" does not have`);
  }
  return read as VectorNode;
}
