import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { countReaders, type Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/ir.ts';
import { type WrittenFile, writeFileThrough } from '../file-sink.ts';
import type { KerasLayer } from './keras-layer.ts';
import { absorbsRelu, emitLayers } from './layers.ts';
import { type WeightStorage, type WrittenWeights, writeWeights } from './weights.ts';

/** Outputs of the model, in order. Their layers have the same names. */
const OUTPUT_ORDER = ['probabilities', 'logits', 'features', 'activations', 'novelty'] as const;

export interface TfjsOptions {
  /** Element type of the stored kernels. Default: float32. */
  readonly storage?: WeightStorage;
  /** Called with the share of the weights that is written, 0..1. */
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Writes a graph as a TF.js layers model, for `tf.loadLayersModel`: `<folder>/model.json` and its weight shards. The
 * input is float32 `[n, height, width, 3]` in 0..255.
 *
 * @returns the files, beginning with `model.json`
 * @throws ConversionError when a layer has no equivalent in Keras layers
 */
export async function writeTfjs(graph: Graph, folder: string, options: TfjsOptions = {}): Promise<WrittenFile[]> {
  const { storage = 'float32', onProgress = () => {} } = options;
  const layers = kerasLayers(graph);
  await mkdir(folder);
  const weights = await writeWeights(
    layers.flatMap((layer) => layer.weights),
    folder,
    storage,
    onProgress,
  );
  const json = Buffer.from(JSON.stringify(modelJson(graph, layers, weights)));
  const model = await writeFileThrough(join(folder, 'model.json'), (sink) => sink.write(json));
  return [model, ...weights.shards];
}

function kerasLayers(graph: Graph): KerasLayer[] {
  const absorbed = absorbedRelus(graph);
  const nameOf = layerNames(graph);
  // A layer that absorbs a relu takes the name of the relu.
  const absorbing = new Map([...absorbed].map(([relu, layer]) => [layer, relu]));
  return graph.nodes
    .filter((node) => !absorbed.has(node))
    .flatMap((node) => {
      const relu = absorbing.get(node);
      return emitLayers(node, {
        name: nameOf(relu ?? node),
        inputs: node.inputs.map(nameOf),
        relu: relu !== undefined,
      });
    });
}

/** Relus that the layer before them can apply, mapped to that layer, which has no other readers. */
function absorbedRelus(graph: Graph): ReadonlyMap<Node, Node> {
  const readers = countReaders(graph);
  const absorbed = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    if (node.operation.kind !== 'activation' || node.operation.function !== 'relu' || input === undefined) continue;
    if (absorbsRelu(input) && readers.get(input) === 1) absorbed.set(node, input);
  }
  return absorbed;
}

/** Layers of outputs have the names of the outputs. TF.js requires names to begin with a letter or a digit. */
function layerNames({ outputs }: Graph): (node: Node) => string {
  const names = new Map<Node, string>(Object.entries(outputs).map(([name, node]) => [node, name]));
  return (node) => names.get(node) ?? node.name.replace(/^[^A-Za-z0-9]+/, '');
}

function modelJson(graph: Graph, layers: readonly KerasLayer[], { entries, shards }: WrittenWeights) {
  const config = {
    name: 'classifier',
    layers: layers.map(layerJson),
    input_layers: [[graph.input.name, 0, 0]],
    output_layers: OUTPUT_ORDER.filter((name) => graph.outputs[name] !== undefined).map((name) => [name, 0, 0]),
  };
  return {
    format: 'layers-model',
    generatedBy: 'menagerie',
    convertedBy: null,
    modelTopology: {
      keras_version: '2.15.0',
      backend: 'tensorflow',
      model_config: { class_name: 'Functional', config },
    },
    weightsManifest: [{ paths: shards.map(({ path }) => basename(path)), weights: entries }],
  };
}

function layerJson({ name, className, config, inputs }: KerasLayer) {
  return {
    class_name: className,
    name,
    config: { name, trainable: false, dtype: 'float32', ...config },
    inbound_nodes: inputs.length === 0 ? [] : [inputs.map((input) => [input, 0, 0, {}])],
  };
}
