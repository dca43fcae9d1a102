import { attachHead, headInput, stubLayer } from '../architectures/head.ts';
import { writeOnnx } from '../formats/onnx/emitter.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { earlierMaps } from '../graph/earlier-maps.ts';
import { foldBatchNorm } from '../graph/fold-batch-norm.ts';
import { type Architecture, buildNetwork, type NetworkOptions, parseArchitecture } from '../network.ts';

/** A model whose last dense layer is to be replaced. */
export interface FineTuneBackbone extends Omit<NetworkOptions, 'numClasses'> {
  readonly weightsPath: string;
  readonly architecture: unknown;
}

/** What a network offers to a head, as `writeLayeredNetwork` puts it behind one another. */
export interface OfferedLayer {
  /** Of the layer in the network. */
  readonly name: string;
  /** Values: the channels of a map, or the length of the features. */
  readonly size: number;
}

/**
 * Writes an ONNX model whose `features` are all that the backbone offers: the channels' means of its earlier maps, the
 * earliest first, and its own features at the end. A head upon the last `k` of them is one with `earlier: k - 1`.
 *
 * @returns the parts of the features in their order; the last is the backbone's own
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

/** Whether the network's features come before any layer of a head of its own. */
export function isPlain({ head }: Architecture): boolean {
  return head === undefined || (head.hidden.length === 0 && head.earlier === undefined);
}
