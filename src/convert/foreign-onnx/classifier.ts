import { DATA_TYPE, type NodeProto } from '../formats/onnx/proto.ts';
import type { OnnxFile } from '../formats/onnx/reader.ts';
import type { WritableTensor } from '../formats/onnx/writer.ts';
import { activationShape, classCount, featureSize, type OnnxArchitecture } from './architecture.ts';
import { attributeIntegers, type GraphView, MEANS, MOVES } from './graph-view.ts';
import { areClose, numbersOf, type OutputValues } from './probe.ts';
import { floatsOf } from './tensor-values.ts';

/**
 * Finds the weight of the last layer, if classes can be traced back through it: the features must be the channel
 * means of the activations, and the logits the weight times the features plus a bias. Both the graph and the outputs
 * are checked.
 *
 * @param answers outputs of the wrapped model for several images
 */
export async function findClassifier(
  file: OnnxFile,
  view: GraphView,
  architecture: OnnxArchitecture,
  answers: readonly OutputValues[],
): Promise<OnnxArchitecture['classifier']> {
  const { output, features, activations, activations_layout } = architecture;
  const layer = behind(view, output, [...MOVES, 'Add'], ({ inputs = [] }) => inputs.includes(features));
  if (activations_layout === undefined || layer === undefined) return undefined;
  if (features !== activations && !leadsTo(view, features, activations)) return undefined;
  const found = weightOf(file, layer, features, classCount(architecture), featureSize(architecture));
  if (found === undefined) return undefined;
  const { tensor, classesFirst } = found;
  const weight = await floatsOf(tensor);
  const [first, ...others] = answers.map((answer) => restOf(answer, weight, classesFirst));
  const isLinear = first !== undefined && others.every((rest) => areClose(first, rest, 1));
  if (!isLinear || !answers.every((answer) => isMean(answer, activationShape(architecture)))) return undefined;
  return { weight: tensor.proto.name ?? '', classes_first: classesFirst };
}

/** Searches backwards from a value, through nodes with the given operators, for the node that `is` accepts. */
function behind(
  view: GraphView,
  value: string,
  operators: readonly string[],
  is: (node: NodeProto) => boolean,
): NodeProto | undefined {
  const node = view.producer(value);
  if (node === undefined || is(node)) return node;
  const fed = (node.inputs ?? []).filter((input) => view.isFed(input));
  const [before] = fed;
  if (fed.length !== 1 || before === undefined || !operators.includes(node.operator ?? '')) return undefined;
  return behind(view, before, operators, is);
}

function leadsTo(view: GraphView, features: string, activations: string): boolean {
  const reads = ({ operator = '', inputs = [] }: NodeProto) =>
    inputs.includes(activations) && [...MOVES, ...MEANS].includes(operator);
  return behind(view, features, [...MOVES, ...MEANS], reads) !== undefined;
}

/** The float32 weight of a dense layer over the features, and the order of its dimensions. */
function weightOf(
  { tensors }: OnnxFile,
  layer: NodeProto,
  features: string,
  classes: number,
  channels: number,
): { tensor: WritableTensor; classesFirst: boolean } | undefined {
  const [, second] = layer.inputs ?? [];
  const tensor = tensors.find(({ proto }) => proto.name === second && second !== features);
  if (tensor?.proto.dataType !== DATA_TYPE.float) return undefined;
  const { operator } = layer;
  const classesFirst = operator === 'Conv' || (operator === 'Gemm' && attributeIntegers(layer, 'transB')?.[0] === 1);
  const [a, b, ...rest] = tensor.proto.dims ?? [];
  const wanted = classesFirst ? [classes, channels] : [channels, classes];
  const fits = [a, b].join() === wanted.join() && rest.every((size) => size === 1);
  return fits && ['Conv', 'Gemm', 'MatMul'].includes(operator ?? '') ? { tensor, classesFirst } : undefined;
}

/** The logits minus the weight times the features: the bias, if the logits are linear in the features. */
function restOf(answer: OutputValues, weight: Float32Array, classesFirst: boolean): number[] {
  const [features, logits] = [numbersOf(answer, 'features'), numbersOf(answer, 'logits')];
  const [channels, classes] = [features.length, logits.length];
  return logits.map((logit, index) => {
    const at = (channel: number) => (classesFirst ? index * channels + channel : channel * classes + index);
    return features.reduce((rest, feature, channel) => rest - feature * (weight[at(channel)] ?? 0), logit);
  });
}

/** Whether the features are the mean of each channel of the activations. */
function isMean(answer: OutputValues, [height, width, channels]: readonly [number, number, number]): boolean {
  const [features, activations] = [numbersOf(answer, 'features'), numbersOf(answer, 'activations')];
  const means = new Float64Array(channels);
  activations.forEach((value, index) => {
    means[index % channels] = (means[index % channels] ?? 0) + value / (height * width);
  });
  return features.length === channels && areClose(Array.from(means), features, 1);
}
