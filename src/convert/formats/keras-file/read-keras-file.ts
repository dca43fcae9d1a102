import { mkdtemp, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConversionError } from '../../conversion-error.ts';
import type { Pair } from '../../graph/windows.ts';
import type { DescribedNetwork } from '../tfjs-import/graph-table.ts';
import { isKeras3, parseTopology } from '../tfjs-import/model-json.ts';
import { readNetwork } from '../tfjs-import/reader.ts';
import { h5Weights } from './h5-weights.ts';
import { HDF5_SIGNATURE, Hdf5File } from './hdf5-file.ts';
import { parsedJson, unpackKerasArchive } from './keras-archive.ts';
import { layersBeside } from './separate-layers.ts';
import { storeWeights } from './store-weights.ts';

const ZIP_SIGNATURE = 'PK\x03\x04';

/**
 * Reads a whole model that Keras saved, by its first bytes: a `.keras`, which is a zip with the description of the
 * layers and an HDF5 file of weights, or an `.h5`, which has both, or only weights, of layers that a JSON file beside it
 * describes.
 *
 * @param inputSize used when the model takes images of any size
 * @param work an existing folder for temporary files
 * @param use reads the weights of the network, which can be read only meanwhile
 * @throws ConversionError that names the layer or weight that is not supported, or says what the file is
 */
export async function withKerasFile<T>(
  path: string,
  inputSize: Pair | undefined,
  work: string,
  use: (network: DescribedNetwork) => Promise<T>,
): Promise<T> {
  const handle = await open(path);
  const folder = await mkdtemp(join(work, 'keras-'));
  try {
    const start = Buffer.alloc(HDF5_SIGNATURE.length);
    await handle.read(start, 0, start.length, 0);
    if (start.toString('latin1') === HDF5_SIGNATURE) return await withWeights(path, undefined, inputSize, use);
    if (start.toString('latin1', 0, ZIP_SIGNATURE.length) === ZIP_SIGNATURE) {
      const weights = join(folder, 'model.weights.h5');
      return await withWeights(weights, await unpackKerasArchive(handle, weights), inputSize, use);
    }
    throw new ConversionError('the file is neither a .keras file, which is a zip, nor an HDF5 file');
  } finally {
    await handle.close();
    await rm(folder, { recursive: true });
  }
}

/** @param described the topology; that in the file when undefined */
async function withWeights<T>(
  path: string,
  described: object | undefined,
  inputSize: Pair | undefined,
  use: (network: DescribedNetwork) => Promise<T>,
): Promise<T> {
  const file = await Hdf5File.open(path);
  try {
    const whole = described === undefined ? topologyIn(file) : undefined;
    const topology = described ?? whole ?? (await topologyBeside(path, file));
    const model = parseTopology(topology);
    const weights = file.has('layer_names') || whole !== undefined ? h5Weights(model, file) : storeWeights(model, file);
    return await use(readNetwork(model, { weights, isKeras3: isKeras3(topology) }, inputSize));
  } finally {
    file.close();
  }
}

function topologyIn(file: Hdf5File): object | undefined {
  const config = file.text('model_config');
  if (config === undefined) return undefined;
  return { keras_version: file.text('keras_version') ?? '2', model_config: parsedJson(config, 'model_config') };
}

async function topologyBeside(path: string, file: Hdf5File): Promise<object> {
  const isWeights =
    file.has('layer_names') ||
    file.groups.some((name) => ['layers', 'vars', '_layer_checkpoint_dependencies'].includes(name));
  if (!isWeights) {
    throw new ConversionError('the HDF5 file is not a model of Keras: it has no attribute model_config');
  }
  const topology = await layersBeside(dirname(path));
  if (topology !== undefined) return topology;
  throw new ConversionError(
    'the file has only weights, without their layers. Put the JSON file with the layers, of model.to_json(), beside it. ' +
      'Or build the model in Python, and run model.load_weights(file); model.save("model.keras"); then import model.keras',
  );
}
