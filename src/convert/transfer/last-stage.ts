import { attachHead, headInput, stubLayer } from '../architectures/head.ts';
import { ConversionError } from '../conversion-error.ts';
import { writeOnnx } from '../formats/onnx/emitter.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { earlierMaps, lastStageEntry } from '../graph/earlier-maps.ts';
import { foldBatchNorm } from '../graph/fold-batch-norm.ts';
import { type Graph, nodesUpTo } from '../graph/graph.ts';
import type { MapNode, Node, Operation, VectorNode } from '../graph/ir.ts';
import { buildNetwork, parseArchitecture } from '../network.ts';
import { type FineTuneBackbone, isPlain, type OfferedLayer } from './layered-network.ts';

/**
 * The last stage of a network, to be trained together with a head. Batch norms are folded into its convolutions, which
 * freezes their statistics.
 */
export interface LastStage {
  /** The map that enters the stage. */
  readonly entry: MapNode;
  /** The layers that depend on the entry, in the order in which they are computed. */
  readonly nodes: readonly Node[];
  /** The parts of the features that the stage computes, in order; those before them are computed without it. */
  readonly outputs: readonly VectorNode[];
  /** Values of the convolutions and dense layers among `nodes`, by the names of the layers. */
  readonly weights: ReadonlyMap<string, LayerValues>;
}

/** Weight and bias of a layer, in the layout of the layer graph. */
export interface LayerValues {
  readonly weight: Float32Array;
  /** Absent when the layer has none. */
  readonly bias?: Float32Array;
}

/** The layers that can be trained, or that a gradient can pass. */
const DIFFERENTIABLE: ReadonlySet<Operation['kind']> = new Set<Operation['kind']>([
  'conv2d',
  'max_pool',
  'average_pool',
  'global_average_pool',
  'add',
  'concat',
  'flatten',
  'dense',
]);

/**
 * Writes an ONNX model as `writeLayeredNetwork` does, whose output `activations` is the map that enters the last stage.
 *
 * @returns the parts of the features, and height, width and channels of the map
 * @throws ConversionError that says why the last stage of this network cannot be trained
 */
export async function writeNetworkToLastStage(
  backbone: FineTuneBackbone,
  path: string,
): Promise<{ readonly layers: OfferedLayer[]; readonly entry: readonly [number, number, number] }> {
  return await withNetwork(backbone, undefined, async (graph, parts) => {
    separate(graph, parts);
    await writeOnnx(graph, path);
    const { height, width, channels } = graph.outputs.activations.shape;
    return {
      // The mean of a map has the name of the map and `.mean`; the offered layer is the map.
      layers: parts.map(({ name, shape }) => ({ name: name.replace(/\.mean$/, ''), size: shape.length })),
      entry: [height, width, channels],
    };
  });
}

/**
 * Reads the last stage of a network.
 *
 * @param reads how many of the last parts of the features are needed
 * @throws ConversionError as `writeNetworkToLastStage`
 */
export async function readLastStage(backbone: FineTuneBackbone, reads: number): Promise<LastStage> {
  return await withNetwork(backbone, reads, async (graph, parts) => {
    const stage = separate(graph, parts);
    const weights = new Map<string, LayerValues>();
    for (const { name, operation } of stage.nodes) {
      if (operation.kind !== 'conv2d' && operation.kind !== 'dense') continue;
      const bias = await operation.bias?.read();
      weights.set(name, { weight: await operation.weight.read(), ...(bias && { bias }) });
    }
    return { ...stage, weights };
  });
}

/** Builds the graph whose activations are the entry of the last stage, and whose features are the last parts. */
async function withNetwork<T>(
  backbone: FineTuneBackbone,
  reads: number | undefined,
  use: (graph: Graph, parts: readonly VectorNode[]) => Promise<T>,
): Promise<T> {
  const base = parseArchitecture(backbone.architecture);
  if (!isPlain(base)) {
    throw new ConversionError('it was fine-tuned itself with a head that reads more than its last layer');
  }
  const weights = await SafetensorsFile.open(backbone.weightsPath);
  try {
    const { input, outputs } = buildNetwork(base, weights, backbone);
    const { activations, features } = outputs;
    const entry = lastStageEntry(activations);
    if (entry === undefined) throw new ConversionError('its layers are not divided into stages');
    const maps = earlierMaps(activations, features);
    const earlier = Math.min(maps.length, (reads ?? Number.POSITIVE_INFINITY) - 1);
    const entering = headInput({ activations, features: () => features }, 'features', earlier);
    const graph = foldBatchNorm(attachHead(input, entry, entering, [stubLayer(entering.shape.length)]));
    const joined = graph.outputs.features;
    return await use(graph, earlier === 0 ? [joined] : (joined.inputs as VectorNode[]));
  } finally {
    await weights.close();
  }
}

function separate(
  { outputs: { activations: entry } }: Graph,
  parts: readonly VectorNode[],
): Omit<LastStage, 'weights'> {
  const dependent = new Set<Node>([entry]);
  const nodes = nodesUpTo(parts).filter((node) => {
    if (node === entry || !node.inputs.some((input) => dependent.has(input))) return false;
    dependent.add(node);
    return true;
  });
  const odd = nodes.find((node) => !isDifferentiable(node) || node.inputs.some((input) => !dependent.has(input)));
  if (odd !== undefined) {
    throw new ConversionError(
      `its layer "${odd.name}" (${odd.operation.kind}) cannot be trained here; ResNet, VGG and Inception can`,
    );
  }
  return { entry, nodes, outputs: parts.filter((part) => dependent.has(part)) };
}

function isDifferentiable({ operation }: Node): boolean {
  if (operation.kind === 'activation') return operation.function === 'relu';
  if (operation.kind === 'conv2d' && operation.groups !== 1) return false;
  return DIFFERENTIABLE.has(operation.kind);
}
