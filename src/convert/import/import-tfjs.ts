import { GRAPH_INPUT, type GraphTable } from '../architectures/graph.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { openTfjsFiles } from '../formats/tfjs-import/files.ts';
import { importTfjs } from '../formats/tfjs-import/reader.ts';
import type { Pair } from '../graph/windows.ts';
import { buildNetwork } from '../network.ts';
import { writeNetworkTensors } from './graph-table.ts';
import { factsOf, type ImportedNetwork } from './import-checkpoint.ts';

/** A TF.js model, and what it seems to want of pixels. */
export interface ImportedTfjs extends ImportedNetwork {
  readonly architecture: GraphTable;
  /** Whether its first layer scales pixels, so that it takes them as they are, from 0 to 255. */
  readonly scalesPixels: boolean;
}

/**
 * Writes a TF.js layers model as the weights file of a model, and its layers as that model's architecture.
 *
 * @param path of its `model.json`, or of the module that carries it
 * @param inputSize of a model that takes images of any size
 * @throws ConversionError that names the layer or weight which cannot be read; Error when `target` exists
 */
export async function importTfjsModel(
  path: string,
  inputSize: Pair | undefined,
  target: string,
): Promise<ImportedTfjs> {
  const network = await importTfjs(await openTfjsFiles(path), inputSize);
  await writeNetworkTensors(network, target);
  const { table } = network;
  const first = table.layers.find((layer) => layer.inputs.some((input) => input === GRAPH_INPUT));
  const scalesPixels = first?.kind === 'normalize' || first?.kind === 'batch_norm';
  const weights = await SafetensorsFile.open(target);
  try {
    const unscaled = { inputSize: table.input_size, mean: [0, 0, 0], std: [1, 1, 1] };
    const graph = buildNetwork(table, weights, unscaled);
    return { architecture: table, inputSize: table.input_size, scalesPixels, ...factsOf(graph) };
  } finally {
    await weights.close();
  }
}
