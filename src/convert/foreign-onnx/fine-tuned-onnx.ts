import { dirname } from 'node:path';
import { elementCount } from '../../common/tensor.ts';
import type { HeadValues } from '../architectures/head.ts';
import { ConversionError } from '../conversion-error.ts';
import { bytesOf } from '../formats/file-sink.ts';
import { constantTensor, nodeProto, valueInfo } from '../formats/onnx/nodes.ts';
import { DATA_TYPE, type NodeProto } from '../formats/onnx/proto.ts';
import { readOnnxFile } from '../formats/onnx/reader.ts';
import { type WritableTensor, writeOnnxFile } from '../formats/onnx/writer.ts';
import { activationShape, featureSize, type OnnxArchitecture } from './architecture.ts';
import { Chain } from './chain.ts';
import { completed, type ForeignModel } from './convert-onnx.ts';
import { GraphView, valuesRead } from './graph-view.ts';
import { unusedPrefix } from './naming.ts';
import { toMeans, toVector } from './outputs.ts';
import { modelFields } from './wrap.ts';

/**
 * Writes a foreign model with another head: its input, the nodes that the head depends on, and the dense layers. The
 * result is a foreign ONNX classifier like the original, and is wrapped and fine-tuned in the same way.
 *
 * @returns the architecture of the new model
 * @throws ConversionError when the head does not fit
 */
export async function writeFineTunedOnnx(
  { weightsPath, hints, ...options }: ForeignModel,
  head: HeadValues,
  path: string,
): Promise<OnnxArchitecture> {
  const file = await readOnnxFile(weightsPath);
  const base = await completed(file, hints, options, dirname(path));
  if (head.earlier)
    throw new ConversionError('a head cannot read earlier maps of an imported ONNX model: they are not known');
  const view = new GraphView(file);
  const prefix = unusedPrefix(view.names());
  const entering = enteringChain(base, head.from, `${prefix}entering:`).endAs(`${prefix}entering`);
  const dense = denseNodes(head, featuresOf(base, head.from), prefix);
  const nodes = [...view.upTo([base.features, base.activations]), ...entering.nodes, ...dense.nodes];
  const read = new Set(nodes.flatMap(valuesRead));
  const [batch = 1] = base.shapes.activations;
  const classes = head.layers.at(-1)?.outputs ?? 0;
  const graph = {
    name: 'classifier',
    nodes,
    initializers: entering.constants.map(constantTensor),
    inputs: view.inputs,
    outputs: [valueInfo(dense.logits, [classes], DATA_TYPE.float)],
  };
  const kept = file.tensors.filter(({ proto }) => read.has(proto.name ?? ''));
  await writeOnnxFile(path, modelFields(file), graph, [...kept, ...dense.tensors]);
  const { features_layout: _, classifier, ...rest } = base;
  const isLinear = head.layers.length === 1 && (head.from === 'activations' ? base.activations_layout : classifier);
  return {
    ...rest,
    ...(isLinear && { classifier: { weight: `${prefix}head.0.weight`, classes_first: true } }),
    output: dense.logits,
    output_kind: 'logits',
    features: dense.features,
    shapes: {
      output: [batch, classes],
      features: [batch, head.layers.at(-1)?.inputs ?? 0],
      activations: base.shapes.activations,
    },
  };
}

/** Nodes from the backbone to the vector that the first layer reads. */
function enteringChain(base: OnnxArchitecture, from: HeadValues['from'], prefix: string): Chain {
  const value = from === 'features' ? base.features : base.activations;
  const layout = from === 'features' ? base.features_layout : base.activations_layout;
  const chain = new Chain(prefix, value).add('Cast', { to: DATA_TYPE.float });
  if (layout === undefined) toVector(chain, base.shapes[from], featuresOf(base, from));
  else toMeans(chain, layout);
  return chain;
}

function featuresOf(base: OnnxArchitecture, from: HeadValues['from']): number {
  return from === 'features' ? featureSize(base) : activationShape(base)[2];
}

function denseNodes({ from, layers }: HeadValues, entering: number, prefix: string) {
  const nodes: NodeProto[] = [];
  const tensors: WritableTensor[] = [];
  let [features, width] = [`${prefix}entering`, entering];
  let logits = features;
  for (const [index, { inputs, outputs, weight, bias }] of layers.entries()) {
    if (inputs !== width) {
      throw new ConversionError(
        `layer ${index} of the head reads ${inputs} values, but its input has ${width} (from ${from})`,
      );
    }
    const name = `${prefix}head.${index}`;
    if (index > 0) {
      features = `${prefix}head.${index - 1}.relu`;
      nodes.push(nodeProto(features, 'Relu', [logits], features));
    }
    tensors.push(tensorOf(`${name}.weight`, [outputs, inputs], weight), tensorOf(`${name}.bias`, [outputs], bias));
    nodes.push(nodeProto(name, 'Gemm', [features, `${name}.weight`, `${name}.bias`], name, { transB: 1 }));
    [logits, width] = [name, outputs];
  }
  if (layers.length === 0) throw new ConversionError('a head needs at least one dense layer');
  return { nodes, tensors, features, logits };
}

function tensorOf(name: string, shape: readonly number[], values: Float32Array): WritableTensor {
  if (values.length !== elementCount(shape))
    throw new ConversionError(`"${name}" has ${values.length} values, which do not fill the shape [${shape}]`);
  return {
    proto: { name, dims: shape, dataType: DATA_TYPE.float },
    values: {
      field: 'rawData',
      length: values.byteLength,
      read: async function* () {
        yield bytesOf(values);
      },
    },
  };
}
