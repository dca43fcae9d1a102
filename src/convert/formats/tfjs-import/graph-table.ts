import { GRAPH_CLASSIFIER, GRAPH_INPUT, type GraphTable, graphSchema } from '../../architectures/graph.ts';
import type { DenseWeights, FeatureExtractor } from '../../architectures/head.ts';
import { ConversionError } from '../../conversion-error.ts';
import { nodesUpTo, weightsOf } from '../../graph/graph.ts';
import type { MapNode, Node } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { bytesOf } from '../file-sink.ts';
import { writeSafetensors } from '../safetensors/writer.ts';
import type { Fitting } from './input-size.ts';

/** A network as a table for a manifest, and the tensors for its weights file; those of the classifier come last. */
export interface DescribedNetwork {
  readonly table: GraphTable;
  readonly tensors: readonly Weight[];
  /** How the model fits images to its size, if it resizes them itself. */
  readonly fitting?: Fitting | undefined;
}

/**
 * Describes a network layer by layer, so that the family `graph` builds the same network from the table.
 *
 * @param input the normalised pixels, which the first layers read
 */
export function describeNetwork(input: MapNode, body: FeatureExtractor, classifier: DenseWeights): DescribedNetwork {
  const features = body.features();
  const nodes = nodesUpTo([body.activations, features]).filter((node) => node !== input);
  const nameOf = (node: Node) => (node === input ? GRAPH_INPUT : node.name);
  const layers = nodes.map((node) => ({ name: node.name, inputs: node.inputs.map(nameOf), ...describe(node) }));
  const tensors = new Map<string, Weight>();
  for (const weight of nodes.flatMap(weightsOf)) tensors.set(weight.name, weight);
  const ending = [
    { ...classifier.weight, name: `${GRAPH_CLASSIFIER}.weight` },
    { ...classifier.bias, name: `${GRAPH_CLASSIFIER}.bias` },
  ];
  const table = graphSchema.parse({
    family: 'graph',
    input_size: [input.shape.height, input.shape.width],
    layers,
    activations: nameOf(body.activations),
    features: nameOf(features),
  });
  return { table, tensors: [...tensors.values(), ...ending] };
}

/** Writes the tensors of a network in float32, as its weights file. @throws Error when `path` exists */
export async function writeNetworkTensors({ tensors }: DescribedNetwork, path: string): Promise<void> {
  await writeSafetensors(
    path,
    tensors.map(({ name, shape, read }) => ({ name, dtype: 'F32', shape, read: async () => bytesOf(await read()) })),
  );
}

/** The fields of a layer in the table, apart from name and inputs. */
function describe({ name, operation }: Node): object {
  switch (operation.kind) {
    case 'conv2d': {
      const { weight, bias, window, groups } = operation;
      const { stride, padding } = window;
      return { kind: 'conv2d', weight: weight.name, bias: bias?.name, stride, padding, groups };
    }
    case 'batch_norm': {
      const { scale, shift, mean, variance, epsilon } = operation;
      return {
        kind: 'batch_norm',
        scale: scale.name,
        shift: shift.name,
        mean: mean.name,
        variance: variance.name,
        epsilon,
      };
    }
    case 'max_pool':
      return { kind: 'max_pool', ...operation.window };
    case 'average_pool':
      return { kind: 'average_pool', ...operation.window, count_padding: operation.countPadding };
    case 'dense':
      return { kind: 'dense', weight: operation.weight.name, bias: operation.bias?.name };
    case 'pixels':
    case 'softmax':
      throw new ConversionError(
        `layer "${name}": a ${operation.kind} layer is supported only as the first or the last layer of a network`,
      );
    default:
      return operation;
  }
}
