import { attachHead, headInput, stubLayer } from '../architectures/head.ts';
import { writeOnnx } from '../formats/onnx/emitter.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { earlierMaps } from '../graph/earlier-maps.ts';
import { foldBatchNorm } from '../graph/fold-batch-norm.ts';
import { type Architecture, buildNetwork, type NetworkOptions, parseArchitecture } from '../network.ts';

/** A model whose classifier is to be replaced. */
export interface FineTuneBackbone extends Omit<NetworkOptions, 'numClasses'> {
  readonly weightsPath: string;
  readonly architecture: unknown;
}

/** A part of the features of a layered network: a map of the network, or its own features. */
export interface OfferedLayer {
  /** Name of the layer in the network. */
  readonly name: string;
  /** Number of values: the channels of a map, or the length of the features. */
  readonly size: number;
}

/**
 * Writes an ONNX model whose `features` are everything that a head can read: the channel means of the earlier maps,
 * the earliest first, then the features of the backbone. A head that reads the last `k` parts has `earlier: k - 1`.
 *
 * @returns the parts of the features, in order; the last is the features of the backbone
 */
export async function writeLayeredNetwork(backbone: FineTuneBackbone, path: string): Promise<OfferedLayer[]> {
  const base = parseArchitecture(backbone.architecture);
  const weights = await SafetensorsFile.open(backbone.weightsPath);
  try {
    const { input, outputs } = buildNetwork(base, weights, backbone);
    const { activations, features } = outputs;
    const maps = isPlain(base) ? earlierMaps(activations, features) : [];
    const entering = headInput({ activations, features: () => features }, 'features', maps.length);
    const graph = attachHead(input, activations, entering, [stubLayer(entering.shape.length)]);
    await writeOnnx(foldBatchNorm(graph), path);
    return [...maps, features].map(({ name, shape }) => ({
      name,
      size: shape.kind === 'map' ? shape.channels : shape.length,
    }));
  } finally {
    await weights.close();
  }
}

/** Whether the features are those of the family: the head has no hidden layers and reads no earlier maps. */
export function isPlain({ head }: Architecture): boolean {
  return head === undefined || (head.hidden.length === 0 && head.earlier === undefined);
}
