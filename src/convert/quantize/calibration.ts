import { valueNames, writeOnnx } from '../formats/onnx/emitter.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/ir.ts';
import type { CalibratedValue } from './emitter.ts';
import { planQuantization } from './plan.ts';
import { type CalibrationMethod, chooseRange, quantizationOf, type ValueRange } from './ranges.ts';
import { ValueStatistics } from './value-statistics.ts';

/** What the layers gave on the calibration images. */
type LayerStatistics = ReadonlyMap<Node, ValueStatistics>;

/** Computes the model at a path: the named outputs of one image `[1, height, width, 3]`. */
type ComputeOutputs = (image: Uint8Array, outputs: readonly string[]) => Promise<ReadonlyMap<string, Float32Array>>;

/** Opens an ONNX model whose outputs `ComputeOutputs` computes. */
export type OpenObserved = (path: string) => Promise<{ compute: ComputeOutputs; close: () => Promise<void> }>;

/**
 * Runs a classifier on calibration images and records what its layers give, as far as it will be quantized.
 *
 * @param graph with its batch norms folded
 * @param images pixels, as the classifier takes them
 * @param path for an ONNX model in floats that has an output for each layer that is looked at
 */
export async function observeLayers(
  graph: Graph,
  images: AsyncIterable<Uint8Array>,
  path: string,
  open: OpenObserved,
): Promise<LayerStatistics> {
  const observed = [...planQuantization(graph).values];
  await writeOnnx(graph, path, { observed });
  const nameOf = valueNames(graph.outputs);
  const statistics = new Map(observed.map((node) => [node, new ValueStatistics(channelsOf(node))]));
  const session = await open(path);
  try {
    for await (const image of images) {
      const outputs = await session.compute(image, observed.map(nameOf));
      for (const [node, found] of statistics) {
        const seen = outputs.get(nameOf(node));
        if (seen === undefined) throw new Error(`the model gave no value of layer "${node.name}"`);
        found.add(seen);
      }
    }
  } finally {
    await session.close();
  }
  return statistics;
}

/** Chooses how every value is quantized. */
export function calibrate(
  graph: Graph,
  statistics: LayerStatistics,
  method: CalibrationMethod,
): ReadonlyMap<Node, CalibratedValue> {
  const calibrated = new Map<Node, CalibratedValue>();
  const { values, sameAs } = planQuantization(graph);
  for (const node of values) {
    const source = sameAs.get(node) ?? node;
    const [found, own] = [statistics.get(source), statistics.get(node)];
    if (found === undefined || own === undefined) throw new Error(`layer "${node.name}" was not looked at`);
    const range = knownRange(source, found) ?? chooseRange(found, method);
    calibrated.set(node, { quantization: quantizationOf(range), means: own.means });
  }
  return calibrated;
}

/** The range that follows from the layer itself. A relu6 whose values are all zero still has its upper end. */
function knownRange({ operation, inputs: [input] }: Node, { max }: ValueStatistics): ValueRange | undefined {
  if (operation.kind === 'activation' && operation.function === 'relu6' && max === 0) return { low: 0, high: 6 };
  if (operation.kind === 'pixels') return { low: 0, high: 255 };
  if (operation.kind !== 'normalize' || input?.operation.kind !== 'pixels') return undefined;
  const ends = operation.scale.flatMap((scale, channel) => {
    const shift = operation.shift[channel] ?? 0;
    return [shift, 255 * scale + shift];
  });
  return { low: Math.min(0, ...ends), high: Math.max(0, ...ends) };
}

function channelsOf({ shape }: Node): number {
  return shape.kind === 'map' ? shape.channels : shape.length;
}
