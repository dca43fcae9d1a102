import { ConversionError } from '../../conversion-error.ts';
import type { TensorSource } from '../../graph/tensors.ts';
import { LayerReading } from './layer-reading.ts';
import { readLayer } from './layers.ts';
import type { KerasDescription, KerasModel, Reference } from './model-json.ts';
import type { Value } from './values.ts';

/** Names that the layer graph or its emitters give layers of their own. */
const TAKEN =
  /^(pixels|normalize|input|classifier|softmax|pooled_activations|probabilities|logits|features|activations|head.*)$/;
/** With what is added to it, a name stays within the limits of the graph's tables. */
const MAX_NAME_LENGTH = 150;

/** Reads models into the layer graph, layer by layer. */
export class NetworkReader {
  readonly #weights: TensorSource;
  readonly #names = new Set<string>();

  constructor(weights: TensorSource) {
    this.#weights = weights;
  }

  /** What a model makes of its inputs. Each layer is read as soon as all that it reads is there. */
  read(model: KerasModel, inputs: readonly Value[]): Value[] {
    const layers = new Map(model.layers.map((layer) => [layer.name, layer]));
    const keyOf = ({ layer, call }: Reference) => (isCalledOnce(layers.get(layer)) ? layer : `${layer} ${call}`);
    const values = new Map<string, Value>();
    for (const [index, name] of model.inputs.entries()) {
      const value = inputs[index];
      if (value !== undefined) values.set(name, value);
    }
    let waiting = model.layers
      .filter(({ name }) => !values.has(name))
      .flatMap((layer) => layer.calls.map((reads, call) => ({ layer, reads, call })));
    while (waiting.length > 0) {
      const left = waiting.filter(({ layer, reads, call }) => {
        const ready = reads.flatMap((reference) => values.get(keyOf(reference)) ?? []);
        if (ready.length < reads.length) return true;
        values.set(keyOf({ layer: layer.name, call }), this.#call(layer, ready));
        return false;
      });
      if (left.length === waiting.length) {
        throw new ConversionError(`layer "${left[0]?.layer.name}" reads what no layer makes before it`);
      }
      waiting = left;
    }
    return model.outputs.map((reference) => {
      const value = values.get(keyOf(reference));
      if (value === undefined)
        throw new ConversionError(`the output "${reference.layer}" of "${model.name}" is not there`);
      return value;
    });
  }

  #call(layer: KerasDescription, inputs: readonly Value[]): Value {
    if (layer.model === undefined) {
      return readLayer(new LayerReading(this.#uniqueName(layer.name), layer, inputs, this.#weights));
    }
    const [output, ...others] = this.read(layer.model, inputs);
    if (output === undefined || others.length > 0 || !isCalledOnce(layer)) {
      throw new ConversionError(`layer "${layer.name}": a model as a layer needs one output, and to be called once`);
    }
    return output;
  }

  /** A layer that is called twice, or one of the same name in an inner model, becomes two layers of the graph. */
  #uniqueName(name: string): string {
    const plain = name
      .replace(/^[^A-Za-z0-9]+/, '')
      .replace(/[^\w.-]+/g, '_')
      .slice(0, MAX_NAME_LENGTH);
    const free = TAKEN.test(plain) || plain === '' ? `layer.${plain}` : plain;
    let unique = free;
    for (let count = 2; this.#names.has(unique); count += 1) unique = `${free}.${count}`;
    this.#names.add(unique);
    return unique;
  }
}

/** Then a reference to it needs no number, which differs between writers where the layer is a model. */
function isCalledOnce(layer: KerasDescription | undefined): boolean {
  return layer === undefined || layer.calls.length <= 1;
}
