import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';
import { pixels } from '../../graph/ir.ts';
import type { Pair } from '../../graph/windows.ts';
import { splitClassifier } from './classifier.ts';
import type { TfjsFiles } from './files.ts';
import { type DescribedNetwork, describeNetwork } from './graph-table.ts';
import { leadingResize, sizeOf } from './input-size.ts';
import { scopedWeights } from './keras-weights.ts';
import type { KerasSource } from './layer-reading.ts';
import { isKeras3, type KerasModel, parseTopology } from './model-json.ts';
import { NetworkReader } from './network-reader.ts';
import { mapValue, type Value } from './values.ts';
import { TfjsWeights } from './weights.ts';

const modelSchema = z.object({
  format: z.string().nullish(),
  modelTopology: z.unknown(),
  weightsManifest: z.unknown(),
});

/**
 * Reads a TF.js layers model as a layer graph.
 *
 * @param inputSize used when the model takes images of any size
 * @throws ConversionError that names the layer and its class, or the weight, that is not supported
 */
export async function importTfjs(files: TfjsFiles, inputSize?: Pair): Promise<DescribedNetwork> {
  const parsed = modelSchema.safeParse(files.model);
  if (!parsed.success) throw new ConversionError('the file is not a model.json of TF.js, which is a JSON object');
  const { format, modelTopology, weightsManifest } = parsed.data;
  if (format === 'graph-model') {
    throw new ConversionError(
      'the file is a TF.js graph model; only layers models are supported. Run\n' +
        '  python -m tf2onnx.convert --tfjs model.json --output model.onnx\nand import model.onnx',
    );
  }
  const model = parseTopology(modelTopology);
  const weights = scopedWeights(await TfjsWeights.open(weightsManifest, files.openShard));
  return readNetwork(model, { weights, isKeras3: isKeras3(modelTopology) }, inputSize);
}

/**
 * Reads a Keras model as a layer graph.
 *
 * @param inputSize used when the model takes images of any size
 * @throws ConversionError that names the layer and its class, or the weight, that is not supported
 */
export function readNetwork(model: KerasModel, source: KerasSource, inputSize?: Pair): DescribedNetwork {
  const input = pixels(sizeOf(model, inputSize));
  const outputs = new NetworkReader(source).read(model, [mapValue(input)]);
  const { body, classifier } = splitClassifier(classesOf(outputs));
  return { ...describeNetwork(input, body, classifier), fitting: leadingResize(model)?.fitting };
}

/** The only output, or the only one that ends in a softmax. */
function classesOf(outputs: readonly Value[]): Value['node'] {
  const probabilities = outputs.filter(({ node }) => node.operation.kind === 'softmax');
  const [classes, ...others] = probabilities.length > 0 ? probabilities : outputs;
  if (classes === undefined || others.length > 0) {
    throw new ConversionError(`the model has ${outputs.length} outputs; exactly one must be the classes`);
  }
  return classes.node;
}
