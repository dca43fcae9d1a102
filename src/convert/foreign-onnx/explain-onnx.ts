import { encode } from '../../common/protobuf.ts';
import { type WrittenFile, writeFileThrough } from '../formats/file-sink.ts';
import { MODEL_FIELDS } from '../formats/onnx/emitter.ts';
import { constantTensor, nodeProto, valueInfo } from '../formats/onnx/nodes.ts';
import { DATA_TYPE, modelProto } from '../formats/onnx/proto.ts';
import { externalTensor, tensorLocations } from '../formats/onnx/writer.ts';
import { activationShape, type OnnxArchitecture } from './architecture.ts';
import { Chain, joined } from './chain.ts';
import type { OnnxParts } from './wrap.ts';

/**
 * Writes the model that explains a class of a wrapped model whose head is the mean of each channel and one dense
 * layer. Inputs: `activations` `[n, height, width, channels]` and `class`, int64 `[n]`. Output: `explanation` `[n,
 * height, width]`, what each cell adds to the logit of the class. It refers to the weight in the file of the wrapped
 * model.
 *
 * @param weight name of the weight in the wrapped model
 */
export async function writeForeignExplanation(
  { model, graph, tensors }: OnnxParts,
  architecture: OnnxArchitecture,
  weight: { readonly name: string; readonly classesFirst: boolean },
  modelPath: string,
  path: string,
): Promise<WrittenFile> {
  const tensor = tensors.find(({ proto }) => proto.name === weight.name);
  if (tensor === undefined) throw new Error(`no file holds the weight "${weight.name}"`);
  const location = tensorLocations(modelPath, model, graph, tensors).get(weight.name);
  const [height, width, channels] = activationShape(architecture);
  const reshape = (sizes: readonly number[]) => ({ shape: [sizes.length], values: BigInt64Array.from(sizes, BigInt) });
  const rows = nodeProto('rows', 'Gather', [weight.name, 'class'], 'rows', { axis: weight.classesFirst ? 0 : 1 });
  const column = new Chain('column:', 'rows');
  // The Reshape also removes the kernel dimensions of a 1x1 convolution.
  if (!weight.classesFirst) column.add('Transpose', { perm: [1, 0] });
  const cells = new Chain('cells:', 'activations').addWith('Reshape', [reshape([0, height * width, channels])]);
  const map = new Chain('map:', 'sums')
    .addWith('Mul', [{ shape: [], values: Float32Array.of(1 / (height * width)) }])
    .addWith('Reshape', [reshape([0, height, width])]);
  const before = joined(column.addWith('Reshape', [reshape([0, channels, 1])]).endAs('column'), cells.endAs('cells'));
  const after = map.endAs('explanation');
  const explanation = {
    name: 'explanation',
    nodes: [rows, ...before.nodes, nodeProto('sums', 'MatMul', ['cells', 'column'], 'sums'), ...after.nodes],
    initializers: [
      ...[...before.constants, ...after.constants].map(constantTensor),
      tensor.values === undefined || location === undefined ? tensor.proto : externalTensor(tensor, location),
    ],
    inputs: [
      valueInfo('activations', [height, width, channels], DATA_TYPE.float),
      valueInfo('class', [], DATA_TYPE.int64),
    ],
    outputs: [valueInfo('explanation', [height, width], DATA_TYPE.float)],
  };
  const bytes = encode(modelProto, { ...MODEL_FIELDS, graph: explanation });
  return await writeFileThrough(path, (sink) => sink.write(bytes));
}
