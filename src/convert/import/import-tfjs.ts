import { GRAPH_INPUT, type GraphTable } from '../architectures/graph.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { openTfjsFiles } from '../formats/tfjs-import/files.ts';
import { type DescribedNetwork, writeNetworkTensors } from '../formats/tfjs-import/graph-table.ts';
import { importTfjs } from '../formats/tfjs-import/reader.ts';
import type { Pair } from '../graph/windows.ts';
import { buildNetwork } from '../network.ts';
import { factsOf, type ImportedNetwork } from './import-checkpoint.ts';

/** A network that was read layer by layer, and whether it scales pixels itself. */
export interface ImportedLayers extends ImportedNetwork {
  readonly architecture: GraphTable;
  /** Whether its first layer scales pixels, so that it reads values from 0 to 255. */
  readonly scalesPixels: boolean;
  readonly fitting: DescribedNetwork['fitting'];
}

/**
 * Reads a TF.js layers model: its weights are written as the weights file of a model, its layers become the
 * architecture.
 *
 * @param path path of `model.json`, or of the JavaScript module that contains it
 * @param inputSize used when the model takes images of any size
 * @throws ConversionError that names the layer or weight that cannot be read; Error when `target` exists
 */
export async function importTfjsModel(
  path: string,
  inputSize: Pair | undefined,
  target: string,
): Promise<ImportedLayers> {
  return await writeImported(await importTfjs(await openTfjsFiles(path), inputSize), target);
}

/** Whether a layer only reorders or mixes the colours of each pixel. */
function mixesColours(layer: GraphTable['layers'][number], { tensors }: DescribedNetwork): boolean {
  if (layer.kind !== 'conv2d' || layer.bias !== undefined) return false;
  return tensors.find(({ name }) => name === layer.weight)?.shape.join() === '3,3,1,1';
}

/** Writes a network that was read layer by layer. @throws Error when `target` exists */
export async function writeImported(network: DescribedNetwork, target: string): Promise<ImportedLayers> {
  await writeNetworkTensors(network, target);
  const { table, fitting } = network;
  const readerOf = (name: string) => table.layers.find((layer) => layer.inputs.some((input) => input === name));
  let first = readerOf(GRAPH_INPUT);
  while (first !== undefined && (first.kind === 'crop' || mixesColours(first, network))) first = readerOf(first.name);
  const scalesPixels = first?.kind === 'normalize' || first?.kind === 'batch_norm';
  const weights = await SafetensorsFile.open(target);
  try {
    const unscaled = { inputSize: table.input_size, mean: [0, 0, 0], std: [1, 1, 1] };
    const graph = buildNetwork(table, weights, unscaled);
    return { architecture: table, inputSize: table.input_size, scalesPixels, fitting, ...factsOf(graph) };
  } finally {
    await weights.close();
  }
}
