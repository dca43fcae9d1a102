import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PixelTensor } from '../../common/tensor.ts';
import { evaluateOnnx, type OnnxValue } from '../../runtime/onnx-evaluation.ts';
import { ConversionError } from '../conversion-error.ts';
import { constantTensor, nodeProto, valueInfo } from '../formats/onnx/nodes.ts';
import { DATA_TYPE } from '../formats/onnx/proto.ts';
import type { OnnxFile } from '../formats/onnx/reader.ts';
import { writeOnnxFile } from '../formats/onnx/writer.ts';
import type { Pair } from '../graph/windows.ts';
import type { OnnxHints } from './architecture.ts';
import { type GraphView, valuesRead } from './graph-view.ts';
import type { ImageInput } from './input.ts';
import { renamesOf, renameValues, unusedPrefix } from './naming.ts';
import { fromPixels } from './pixels.ts';
import { modelFields, type OnnxParts, type WrapOptions } from './wrap.ts';

/** Outputs of a model for a batch, by name. */
export type OutputValues = ReadonlyMap<string, OnnxValue>;

/** Relative tolerance of `areClose`. */
const TOLERANCE = 1e-3;

/** The numbers of an output; empty when it is missing. */
export function numbersOf(values: OutputValues | undefined, output: string): number[] {
  return Array.from(values?.get(output)?.numbers ?? []);
}

/**
 * Whether lists of numbers agree within a tolerance that is relative to the largest number.
 *
 * @param least lower bound of the largest number
 */
export function areClose(a: readonly number[], b: readonly number[], least = 1e-6): boolean {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), least);
  const close = (value: number, index: number) => Math.abs(value - (b[index] ?? Number.NaN)) <= TOLERANCE * largest;
  return a.length === b.length && a.every(close);
}

/** Operators whose values are not tensors and have no shape. */
const WITHOUT_SHAPE = /^(Sequence|SplitToSequence|Optional|ZipMap$|DictVectorizer$)/;

/** Results of running a model on noise. */
export interface Probe {
  /** Shapes of all values that depend on the input, including the batch dimension. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The requested outputs, as float32. */
  readonly outputs: OutputValues;
}

/**
 * Runs a model once to find the shapes of all its values: graphs rarely declare them, and what they declare may be
 * wrong.
 *
 * @param folder for a temporary model, which is removed again
 * @throws ConversionError with the message of the runtime when the model cannot be run
 */
export async function probeOnnx(
  file: OnnxFile,
  view: GraphView,
  input: ImageInput,
  outputs: readonly string[],
  options: ProbeOptions,
  folder: string,
): Promise<Probe> {
  const values = view
    .upTo(outputs)
    .filter(({ operator = '' }) => !WITHOUT_SHAPE.test(operator))
    .flatMap((node) => (node.outputs ?? []).filter((value) => value !== '' && view.isFed(value)));
  const images = [noise(input.batch ?? 1, options.inputSize, 0)];
  const asked = [
    ...values.map((value) => ({ value, operator: 'Shape' as const })),
    ...outputs.map((value) => ({ value, operator: 'Cast' as const })),
  ];
  const [answers = []] = await evaluate(file, view, input, asked, images, options, folder);
  return {
    shapes: new Map(values.map((value, index) => [value, Array.from(answers[index]?.numbers ?? [])])),
    outputs: namedValues(outputs, answers.slice(values.length)),
  };
}

/**
 * Computes values inside a model, as float32, for each of some images.
 *
 * @param values names of the input or of values that depend on it
 * @throws as `probeOnnx`
 */
export async function evaluateValues(
  file: OnnxFile,
  view: GraphView,
  input: ImageInput,
  values: readonly string[],
  images: readonly PixelTensor[],
  options: ProbeOptions,
  folder: string,
): Promise<OutputValues[]> {
  const asked = values.map((value) => ({ value, operator: 'Cast' as const }));
  const answers = await evaluate(file, view, input, asked, images, options, folder);
  return answers.map((each) => namedValues(values, each));
}

type ProbeOptions = WrapOptions & Pick<OnnxHints, 'channel_order'>;

function namedValues(names: readonly string[], values: readonly OnnxValue[]): OutputValues {
  return new Map(names.flatMap((name, index) => (values[index] === undefined ? [] : [[name, values[index]] as const])));
}

/** Computes the shape of values (`Shape`) or the values (`Cast`), and no node that they do not depend on. */
async function evaluate(
  file: OnnxFile,
  view: GraphView,
  input: ImageInput,
  asked: readonly { readonly value: string; readonly operator: 'Shape' | 'Cast' }[],
  images: readonly PixelTensor[],
  options: ProbeOptions,
  folder: string,
): Promise<OnnxValue[][]> {
  const names = view.names();
  const prefix = unusedPrefix(names);
  const renames = renamesOf(names, prefix, new Map());
  const rename = (value: string): string => renames.get(value) ?? value;
  const before = fromPixels(input, options.channel_order, options, prefix, rename(input.name));
  const needed = view.upTo(asked.map(({ value }) => value)).map((node) => renameValues(node, renames));
  const answers = asked.map(({ value, operator }, index) => {
    const name = `${prefix}answer:${index}`;
    return nodeProto(name, operator, [rename(value)], name, operator === 'Cast' ? { to: DATA_TYPE.float } : {});
  });
  const nodes = [...before.nodes, ...needed, ...answers];
  const read = new Set(nodes.flatMap(valuesRead));
  const tensors = file.tensors.map((tensor) => ({
    ...tensor,
    proto: { ...tensor.proto, name: rename(tensor.proto.name ?? '') },
  }));
  const parts: OnnxParts = {
    model: modelFields(file),
    graph: {
      name: 'probe',
      nodes,
      initializers: before.constants.map(constantTensor),
      inputs: [valueInfo('pixels', [...options.inputSize, 3], DATA_TYPE.uint8, input.batch)],
      outputs: answers.map(({ name = '' }) => ({ name })),
    },
    tensors: tensors.filter(({ proto }) => read.has(proto.name)),
  };
  const measured = answers.map(({ name = '' }) => name);
  const evaluated = await evaluateParts(parts, images, measured, folder);
  return evaluated.map((values) =>
    measured.map((name) => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`the probe has no output "${name}"`);
      return value;
    }),
  );
}

/** Writes a model, runs it and removes it. @throws ConversionError with the message of the runtime */
export async function evaluateParts(
  { model, graph, tensors }: OnnxParts,
  batches: readonly PixelTensor[],
  outputs: readonly string[],
  folder: string,
): Promise<OutputValues[]> {
  const path = join(folder, 'trial.onnx');
  const files = await writeOnnxFile(path, model, graph, tensors);
  try {
    return await evaluateOnnx(path, batches, outputs);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replaceAll(path, 'the model') : String(cause);
    throw new ConversionError(`the model cannot be run: ${reason}`, { cause });
  } finally {
    await Promise.all(files.map((written) => rm(written.path)));
  }
}

/** Images of reproducible noise, different for each `seed`. */
export function noise(count: number, [height, width]: Pair, seed: number): PixelTensor {
  let state = seed + 1;
  const data = Uint8Array.from({ length: count * height * width * 3 }, () => {
    // The linear congruential generator of Numerical Recipes; its upper bits are the most random ones.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return { data, shape: [count, height, width, 3] };
}
