import type { ConversionSource } from './convert-model.ts';
import { SafetensorsFile } from './formats/safetensors/reader.ts';
import { nodesUpTo } from './graph/graph.ts';
import type { Node, Operation } from './graph/ir.ts';
import type { Weight } from './graph/tensors.ts';
import { buildNetwork, parseArchitecture } from './network.ts';

/** A layer: its name, what it reads, and its options, with the names of its tensors in the weights file. */
interface DescribedLayer {
  readonly name: string;
  readonly kind: Operation['kind'];
  readonly inputs: readonly string[];
}

/** A network as data: each layer after the layers that it reads. `pixels` are RGB, 0 to 255. */
export interface DescribedNetwork {
  readonly layers: readonly DescribedLayer[];
  /** Name of the layer that gives the logits. */
  readonly logits: string;
}

/**
 * Describes the layers of a network from pixels to logits, for programs that have the weights file.
 * @throws ConversionError when architecture, weights and options do not fit each other
 */
export async function describeNetwork(source: ConversionSource): Promise<DescribedNetwork> {
  const weights = await SafetensorsFile.open(source.weightsPath);
  try {
    const { outputs } = buildNetwork(parseArchitecture(source.architecture), weights, source);
    const layers = nodesUpTo([outputs.logits]).filter(({ operation }) => operation.kind !== 'pixels');
    return { layers: layers.map(describeLayer), logits: outputs.logits.name };
  } finally {
    await weights.close();
  }
}

function describeLayer({ name, inputs, operation }: Node): DescribedLayer {
  return { name, kind: operation.kind, inputs: inputs.map((input) => input.name), ...optionsOf(operation) };
}

/** The options of a layer, with its tensors by their names. */
function optionsOf(operation: Operation): object {
  switch (operation.kind) {
    case 'conv2d':
      return { ...operation.window, groups: operation.groups, ...namesOf(operation) };
    case 'dense':
      return namesOf(operation);
    case 'batch_norm': {
      const { scale, shift, mean, variance, epsilon } = operation;
      return { scale: scale.name, shift: shift.name, mean: mean.name, variance: variance.name, epsilon };
    }
    case 'max_pool':
      return operation.window;
    case 'average_pool':
      return { ...operation.window, count_padding: operation.countPadding };
    default: {
      const { kind: _, ...options } = operation;
      return options;
    }
  }
}

function namesOf({ weight, bias }: { readonly weight: Weight; readonly bias: Weight | undefined }): object {
  return { weight: weight.name, bias: bias?.name ?? null };
}
