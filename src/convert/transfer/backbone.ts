import { elementCount } from '../../common/tensor.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { storedTensors, writeSafetensors } from '../formats/safetensors/writer.ts';
import { nodesUpTo, weightsOf } from '../graph/graph.ts';
import { type Architecture, buildNetwork, type NetworkOptions, parseArchitecture } from '../network.ts';

/** A network without the layers behind its last convolution. */
export interface BackboneFacts {
  /** With a head that reads the mean of each channel, and has no classifier. */
  readonly architecture: Architecture;
  readonly numFeatures: number;
  readonly parameters: number;
}

/**
 * Writes a network's convolutions as a file of their own, out of the beginning of a safetensors file that holds them all:
 * of a VGG that is a tenth of the whole.
 * @throws ConversionError when a tensor is not in the beginning, or is none of the convolutions'; Error when `path` exists
 */
export async function writeBackbone(
  beginning: string,
  network: Omit<NetworkOptions, 'numClasses'> & { readonly architecture: unknown },
  path: string,
): Promise<BackboneFacts> {
  const architecture: Architecture = {
    ...parseArchitecture(network.architecture),
    head: { from: 'activations', hidden: [], classifier: false },
  };
  const weights = await SafetensorsFile.openBeginning(beginning);
  try {
    const { features } = buildNetwork(architecture, weights, network).outputs;
    const trained = nodesUpTo([features]).flatMap((node) =>
      node.operation.kind === 'batch_norm' ? weightsOf(node).slice(0, 2) : weightsOf(node),
    );
    await writeSafetensors(path, storedTensors(weights, weights.names()), weights.metadata);
    return {
      architecture,
      numFeatures: features.shape.length,
      parameters: trained.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    };
  } finally {
    await weights.close();
  }
}
