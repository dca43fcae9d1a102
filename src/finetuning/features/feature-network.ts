import { join } from 'node:path';
import { AppError } from '../../common/errors.ts';
import { ConversionError } from '../../convert/conversion-error.ts';
import { writeNetworkToLastStage } from '../../convert/transfer/last-stage.ts';
import {
  type FineTuneBackbone,
  type OfferedLayer,
  writeLayeredNetwork,
} from '../../convert/transfer/layered-network.ts';
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
  /** The map that enters the last stage; present when the network was opened for training that stage. */
  readonly entry?: {
    /** Height, width and channels. */
    readonly shape: readonly [number, number, number];
    /** Like `compute`, with the map. */
    compute(pixels: Uint8Array): Promise<{ readonly features: Float32Array; readonly map: Float32Array }>;
  };
  close(): Promise<void>;
}

/**
 * Opens a backbone for a training: with its earlier maps unless the head reads the last layer only, and with the map that
 * enters the last stage where that is trained too.
 * @param workDir an existing folder, to which the network is written
 * @throws AppError `invalid_request` that says why the last stage cannot be trained
 */
export async function openTrainingNetwork(
  { depth, layers }: { readonly depth: 'head' | 'last_stage'; readonly layers?: 'last' | 'all' | undefined },
  backbone: TrainingModel,
  workDir: string,
): Promise<FeatureNetwork> {
  if (depth === 'head')
    return layers === 'last' ? openFeatureNetwork(backbone) : await openLayeredNetwork(backbone, workDir);
  try {
    return await openNetworkToLastStage(backbone, workDir);
  } catch (thrown) {
    if (!(thrown instanceof ConversionError)) throw thrown;
    throw new AppError(
      'invalid_request',
      `depth: the last stage of ${backbone.name} cannot be trained: ${thrown.message}; use depth=head or another backbone`,
      { context: { field: 'depth' } },
    );
  }
}

/** Opens a model whose answers are learnt: its features are its logits. */
export function openTeacher(teacher: TrainingModel): FeatureNetwork {
  const { key, preprocessing, labels } = teacher;
  const model = openLocalModel(teacher, preprocessing, MAX_SESSIONS);
  const layers = [{ name: 'logits', size: labels.length }];
  return {
    ...featureNetwork(model, { key: `${key}-logits`, preprocessing, layers }),
    compute: (pixels) => model.compute(pixels, 'logits'),
  };
}

/** Opens a backbone as it is served: with its own features only. */
function openFeatureNetwork(backbone: TrainingModel): FeatureNetwork {
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
  const { manifest, preprocessing } = backbone;
  if (manifest.weights.format === 'onnx') return openFeatureNetwork(backbone);
  const path = join(workDir, 'layered-network.onnx');
  const layers = await writeLayeredNetwork(fineTuneBackbone(backbone), path);
  const key = `${backbone.key}-layers`;
  return featureNetwork(openLocalModel({ onnxPath: path }, preprocessing, MAX_SESSIONS), {
    key,
    preprocessing,
    layers,
  });
}

/**
 * Opens a backbone like `openLayeredNetwork`, with the map that enters its last stage.
 * @throws ConversionError that says why the last stage cannot be trained
 */
async function openNetworkToLastStage(backbone: TrainingModel, workDir: string): Promise<FeatureNetwork> {
  const { preprocessing, key } = backbone;
  const path = join(workDir, 'network-to-last-stage.onnx');
  const { layers, entry } = await writeNetworkToLastStage(fineTuneBackbone(backbone), path);
  const model = openLocalModel({ onnxPath: path }, preprocessing, MAX_SESSIONS);
  return {
    ...featureNetwork(model, { key: `${key}-layers`, preprocessing, layers }),
    entry: {
      shape: entry,
      compute: async (pixels) => {
        const [features, map] = await model.computeAll(pixels, ['features', 'activations']);
        if (features === undefined || map === undefined) throw new Error('an output is missing');
        return { features, map };
      },
    },
  };
}

/** A backbone as the converter takes it. @throws ConversionError when it is an ONNX model made elsewhere */
export function fineTuneBackbone({ manifest, preprocessing, weightsPath }: TrainingModel): FineTuneBackbone {
  if (manifest.weights.format === 'onnx') {
    throw new ConversionError('it was imported from ONNX, so its layers are not known');
  }
  return {
    weightsPath,
    architecture: manifest.architecture,
    inputSize: preprocessing.inputSize,
    mean: manifest.mean,
    std: manifest.std,
  };
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
