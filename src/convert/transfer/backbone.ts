import { elementCount } from '../../common/tensor.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { storedTensors, writeSafetensors } from '../formats/safetensors/writer.ts';
import { nodesUpTo, weightsOf } from '../graph/graph.ts';
import { type Architecture, buildNetwork, type NetworkOptions, parseArchitecture } from '../network.ts';

/** A network without the layers after its last convolution. */
export interface BackboneFacts {
  /** Has a head that reads the mean of each channel and has no classifier. */
  readonly architecture: Architecture;
  readonly numFeatures: number;
  readonly parameters: number;
}

/**
 * Writes the convolutions of a network to a file of their own. Of a VGG they are a tenth of the whole file.
 *
 * @param beginning the beginning of a safetensors file, which holds all convolutions and nothing else
 * @throws ConversionError when a tensor of a convolution is missing, or a tensor belongs to none; Error when `path`
 * exists
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
