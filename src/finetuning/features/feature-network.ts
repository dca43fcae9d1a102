import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type OfferedLayer, writeLayeredNetwork } from '../../convert/transfer/layered-network.ts';
import type { TrainingModel } from '../training-task.ts';
import { useCacheFiles } from './cache-folder.ts';
import { type LocalModel, openLocalModel } from './local-model.ts';

/** A backbone, opened to compute the features that a head is trained on. */
export interface FeatureNetwork {
  readonly model: LocalModel;
  /** Names weights, architecture, preprocessing and layers: features under one key are the same features. */
  readonly key: string;
  /** What its output `features` is made of, in its order; the last is the backbone's own features. */
  readonly layers: readonly OfferedLayer[];
}

/** Opens a backbone as it is served: with its features alone. */
export function openFeatureNetwork(backbone: TrainingModel): FeatureNetwork {
  return {
    model: openLocalModel(backbone, backbone.preprocessing),
    key: backbone.key,
    layers: [{ name: 'features', size: backbone.manifest.num_features }],
  };
}

/**
 * Opens a backbone with the means of its earlier maps before its features: one pass gives what every choice of layers
 * needs. The earlier maps of an ONNX model made elsewhere are not known: it is opened with its features alone.
 * @param workDir a cache, where the network lies for as long as it takes to open it
 */
export async function openLayeredNetwork(backbone: TrainingModel, workDir: string): Promise<FeatureNetwork> {
  const { manifest, preprocessing, weightsPath, key } = backbone;
  if (manifest.weights.format === 'onnx') return openFeatureNetwork(backbone);
  await mkdir(workDir, { recursive: true });
  const folder = await mkdtemp(join(workDir, 'layers-'));
  const path = join(folder, 'network.onnx');
  const release = useCacheFiles(workDir, [path]);
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    release();
  };
  try {
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
    const model = openLocalModel({ onnxPath: path }, preprocessing);
    const removed = model.loaded.then(remove, remove);
    const close = async (): Promise<void> => {
      await model.close();
      await removed;
    };
    return { model: { ...model, close }, key: `${key}-layers`, layers };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}
