import { dirname } from 'node:path';
import { withKerasFile } from '../formats/keras-file/read-keras-file.ts';
import type { Pair } from '../graph/windows.ts';
import { type ImportedLayers, writeImported } from './import-tfjs.ts';

/**
 * Reads a `.keras` or `.h5` file with a whole model: its weights are written as the weights file of a model, its layers
 * become the architecture.
 *
 * @param inputSize used when the model takes images of any size
 * @throws ConversionError that names the layer or weight that cannot be read; Error when `target` exists
 */
export async function importKerasModel(
  path: string,
  inputSize: Pair | undefined,
  target: string,
): Promise<ImportedLayers> {
  return await withKerasFile(path, inputSize, dirname(target), (network) => writeImported(network, target));
}
