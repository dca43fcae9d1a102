import { ConversionError } from '../../conversion-error.ts';
import { type Argument, type Constant, isConstant, type Reference } from './calls.ts';
import { type KerasSource, LayerReading } from './layer-reading.ts';
import { readLayer } from './layers.ts';
import type { KerasDescription, KerasModel } from './model-json.ts';
import type { Value } from './values.ts';

/** Names that are reserved for layers that we add. */
const RESERVED =
  /^(pixels|normalize|input|classifier|softmax|pooled_activations|probabilities|logits|features|activations|head.*)$/;
/** Leaves room for suffixes within the limit of the family `graph`. */
const MAX_NAME_LENGTH = 150;

/** Reads models layer by layer into the layer graph. */
export class NetworkReader {
  readonly #source: KerasSource;
  readonly #names = new Set<string>();

  constructor(source: KerasSource) {
    this.#source = source;
  }

  /** The outputs of a model for the given inputs. Each layer is read as soon as all its inputs are known. */
  read(model: KerasModel, inputs: readonly Value[]): Value[] {
    const layers = new Map(model.layers.map((layer) => [layer.name, layer]));
    const keyOf = ({ layer, call }: Reference) => (isCalledOnce(layers.get(layer)) ? layer : `${layer} ${call}`);
    const values = new Map<string, Value>();
    for (const [index, name] of model.inputs.entries()) {
      const value = inputs[index];
      if (value !== undefined) values.set(name, value);
    }
    const operandOf = (argument: Argument) => (isConstant(argument) ? argument : values.get(keyOf(argument)));
    let waiting = model.layers
      .filter(({ name }) => !values.has(name))
      .flatMap((layer) => layer.calls.map((reads, call) => ({ layer, reads, call })));
    while (waiting.length > 0) {
      const left = waiting.filter(({ layer, reads, call }) => {
        const ready = reads.flatMap((argument) => operandOf(argument) ?? []);
        if (ready.length < reads.length) return true;
        values.set(keyOf({ layer: layer.name, call }), this.#call(layer, ready));
        return false;
      });
      if (left.length === waiting.length) {
        throw new ConversionError(`layer "${left[0]?.layer.name}" has an input that no layer gives`);
      }
      waiting = left;
    }
    return model.outputs.map((reference) => {
      const value = values.get(keyOf(reference));
      if (value === undefined)
        throw new ConversionError(`the output "${reference.layer}" of model "${model.name}" is missing`);
      return value;
    });
  }

  #call(layer: KerasDescription, operands: readonly (Value | Constant)[]): Value {
    if (layer.model === undefined) {
      return readLayer(new LayerReading(this.#uniqueName(layer.name), layer, operands, this.#source));
    }
    const inputs = operands.flatMap((operand) => (isConstant(operand) ? [] : operand));
    const [output, ...others] = this.read(layer.model, inputs);
    if (output === undefined || others.length > 0 || !isCalledOnce(layer)) {
      throw new ConversionError(
        `layer "${layer.name}": a model that is a layer must have one output and be called once`,
      );
    }
    return output;
  }

  /** A layer that is called twice becomes two layers of the graph, and inner models may repeat names. */
  #uniqueName(name: string): string {
    const plain = name
      .replace(/^[^A-Za-z0-9]+/, '')
      .replace(/[^\w.-]+/g, '_')
      .slice(0, MAX_NAME_LENGTH);
    const free = RESERVED.test(plain) || plain === '' ? `layer.${plain}` : plain;
    let unique = free;
    for (let count = 2; this.#names.has(unique); count += 1) unique = `${free}.${count}`;
    this.#names.add(unique);
    return unique;
  }
}

/** The call index of such a layer is ignored: for models that are layers, it differs between writers. */
function isCalledOnce(layer: KerasDescription | undefined): boolean {
  return layer === undefined || layer.calls.length <= 1;
}
