import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';
import { type Argument, parseCall, type Reference, referencesSchema, toReference } from './calls.ts';

/** The deepest classifiers have about a thousand layers, and two or three levels of nested models. */
const MAX_LAYERS = 5000;
const MAX_NESTING = 10;

/** A layer in `model.json`. */
export interface KerasDescription {
  readonly name: string;
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** The arguments of each call of the layer. Most layers are called once. */
  readonly calls: readonly (readonly Argument[])[];
  /** Present when the layer is a model itself. */
  readonly model: KerasModel | undefined;
}

export interface KerasModel {
  readonly name: string;
  readonly layers: readonly KerasDescription[];
  /** Names of its input layers. */
  readonly inputs: readonly string[];
  readonly outputs: readonly Reference[];
}

const layerSchema = z.object({
  class_name: z.string(),
  name: z.string().nullish(),
  config: z.unknown(),
  inbound_nodes: z
    .array(z.unknown())
    .nullish()
    .transform((nodes) => nodes ?? []),
});
type RawLayer = z.output<typeof layerSchema>;

const modelSchema = z.object({ class_name: z.string(), config: z.unknown() });
const topologySchema = z.union([z.object({ model_config: modelSchema }), modelSchema]);
const versionSchema = z.object({ keras_version: z.string() });
const layersSchema = z.array(layerSchema).min(1).max(MAX_LAYERS);
const functionalSchema = z.object({
  name: z.string().optional(),
  layers: layersSchema,
  input_layers: referencesSchema,
  output_layers: referencesSchema,
});
const sequentialSchema = z.union([
  layersSchema.transform((layers) => ({ name: undefined, layers })),
  z.object({ name: z.string().optional(), layers: layersSchema }),
]);
const configSchema = z.record(z.string(), z.unknown());

const FUNCTIONAL = ['Model', 'Functional'];

/**
 * Parses the layers of a model: `modelTopology` of a TF.js layers model, as written by `model.save()` or by
 * TensorFlow's converter, or the configuration in a file of Keras.
 *
 * @throws ConversionError when it is not a model of Keras 2 or 3
 */
export function parseTopology(topology: unknown): KerasModel {
  const parsed = parse(topologySchema, topology, 'the description of the layers');
  const { class_name, config } = 'model_config' in parsed ? parsed.model_config : parsed;
  const model = parseModel(class_name, config, 'model', 0);
  if (model === undefined) {
    throw new ConversionError(`the model is a ${class_name}; only Sequential and Functional models are supported`);
  }
  return model;
}

/** Whether Keras 3 wrote the topology: some functions of the same name differ between versions. */
export function isKeras3(topology: unknown): boolean {
  const parsed = versionSchema.safeParse(topology);
  return parsed.success && parsed.data.keras_version.startsWith('3.');
}

function parseModel(className: string, config: unknown, name: string, nesting: number): KerasModel | undefined {
  if (className !== 'Sequential' && !FUNCTIONAL.includes(className)) return undefined;
  if (nesting > MAX_NESTING) throw new ConversionError(`models are nested more than ${MAX_NESTING} deep at "${name}"`);
  if (className === 'Sequential') return parseSequential(config, name, nesting);
  const { layers, input_layers, output_layers } = parse(functionalSchema, config, `model "${name}"`);
  return {
    name,
    layers: layers.map((layer) => parseLayer(layer, nesting)),
    inputs: input_layers.map(([layer]) => layer),
    outputs: output_layers.map(toReference),
  };
}

/** Each layer reads the one before. An input layer is added when there is none. */
function parseSequential(config: unknown, name: string, nesting: number): KerasModel {
  const parsed = parse(sequentialSchema, config, `model "${name}"`).layers.map((layer) => parseLayer(layer, nesting));
  const [first] = parsed;
  const input: KerasDescription = {
    name: `${name}_input`,
    className: 'InputLayer',
    config: first === undefined ? {} : inputConfig(first),
    calls: [],
    model: undefined,
  };
  const layers = first?.className === 'InputLayer' ? parsed : [input, ...parsed];
  const chained = layers.map((layer, index) => {
    const before = layers[index - 1];
    return before === undefined ? layer : { ...layer, calls: [[{ layer: before.name, call: 0 }]] };
  });
  const last = chained.at(-1);
  return {
    name,
    layers: chained,
    inputs: chained.slice(0, 1).map((layer) => layer.name),
    outputs: last === undefined ? [] : [{ layer: last.name, call: 0 }],
  };
}

/** The options with the input shape: those of a layer, or of the input layer of a model that is a layer. */
function inputConfig({ config, model }: KerasDescription): KerasDescription['config'] {
  const inner = model?.layers.find(({ name }) => name === model.inputs[0]);
  return inner === undefined ? config : inputConfig(inner);
}

function parseLayer(raw: RawLayer, nesting: number): KerasDescription {
  const { class_name: className, config, inbound_nodes } = raw;
  const named = z.object({ name: z.string() }).safeParse(config);
  const name = raw.name ?? (named.success ? named.data.name : undefined);
  if (name === undefined) throw new ConversionError(`a layer of class ${className} has no name`);
  const model = parseModel(className, config, name, nesting + 1);
  return {
    name,
    className,
    config: model === undefined ? parse(configSchema, config, `layer "${name}" (${className})`) : {},
    calls: inbound_nodes.map((node) => parseCall(node, name)),
    model,
  };
}

function parse<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ConversionError(`${what} is not valid:\n${z.prettifyError(parsed.error)}`);
}
