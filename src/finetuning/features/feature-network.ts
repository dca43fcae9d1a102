import { join } from 'node:path';
import { type OfferedLayer, writeLayeredNetwork } from '../../convert/transfer/layered-network.ts';
import type { Preprocessing } from '../../image/crop.ts';
import type { ManifestFile } from '../../registry/manifest.ts';
import { type LocalModel, MAX_SESSIONS, openLocalModel } from './local-model.ts';

/** A converted model as a training process needs it; plain data. */
export interface TrainingModel {
  readonly name: string;
  readonly version: number;
  readonly manifest: ManifestFile;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[];
  readonly weightsPath: string;
  /** Key of its conversion, which names weights, architecture, input size, mean and std. */
  readonly key: string;
  readonly onnxPath: string;
  /** Images that the model takes at once; any number when absent. */
  readonly maxBatch: number | undefined;
}

/** A frozen backbone that computes the features on which a head is trained. */
export interface FeatureNetwork {
  /** Names weights, architecture and layers: under one key, the same pixels have the same features. */
  readonly key: string;
  readonly preprocessing: Preprocessing;
  /** The parts of a feature vector, in order; the last is the backbone's own features. */
  readonly layers: readonly OfferedLayer[];
  /** Version of ONNX Runtime, once the network is loaded. @throws Error when it cannot be loaded */
  readonly loaded: Promise<string>;
  /** Pixels of one image to its feature vector; concurrent calls share batches. */
  compute(pixels: Uint8Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Opens a backbone as it is served: with its own features only. */
export function openFeatureNetwork(backbone: TrainingModel): FeatureNetwork {
  const { key, preprocessing, manifest } = backbone;
  const layers = [{ name: 'features', size: manifest.num_features }];
  return featureNetwork(openLocalModel(backbone, preprocessing, MAX_SESSIONS), { key, preprocessing, layers });
}

/**
 * Opens a backbone with the means of its earlier maps before its features, so that one pass computes what every choice
 * of layers needs. The earlier maps of an ONNX model made elsewhere are not known: it is opened with its features only.
 * @param workDir an existing folder, to which the network is written
 */
export async function openLayeredNetwork(backbone: TrainingModel, workDir: string): Promise<FeatureNetwork> {
  const { manifest, preprocessing, weightsPath } = backbone;
  if (manifest.weights.format === 'onnx') return openFeatureNetwork(backbone);
  const path = join(workDir, 'layered-network.onnx');
  const layers = await writeLayeredNetwork(
    {
      weightsPath,
      architecture: manifest.architecture,
      inputSize: preprocessing.inputSize,
      mean: manifest.mean,
      std: manifest.std,
    },
    path,
  );
  const key = `${backbone.key}-layers`;
  return featureNetwork(openLocalModel({ onnxPath: path }, preprocessing, MAX_SESSIONS), {
    key,
    preprocessing,
    layers,
  });
}

function featureNetwork(
  model: LocalModel,
  facts: Pick<FeatureNetwork, 'key' | 'preprocessing' | 'layers'>,
): FeatureNetwork {
  return {
    ...facts,
    loaded: model.loaded,
    compute: (pixels) => model.compute(pixels, 'features'),
    close: () => model.close(),
  };
}
