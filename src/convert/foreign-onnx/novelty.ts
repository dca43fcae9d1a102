import { ConversionError } from '../conversion-error.ts';
import { Emitted } from '../formats/onnx/emitted.ts';
import { nodesUpTo } from '../graph/graph.ts';
import type { VectorNode } from '../graph/ir.ts';
import { type NoveltyTensors, noveltyOf } from '../transfer/novelty.ts';
import type { OnnxArchitecture } from './architecture.ts';
import type { GraphView } from './graph-view.ts';

/**
 * Nodes that compute `novelty` of a foreign model.
 * @param rename gives the name of a value in the wrapped model
 * @throws ConversionError when the model does not have the dense layers of the detector
 */
export function foreignNovelty(
  tensors: NoveltyTensors,
  view: GraphView,
  architecture: OnnxArchitecture,
  rename: (value: string) => string,
): Emitted {
  const read = tensors.reads ?? valueBelow(tensors, view, architecture);
  const [, dimension = 0] = tensors.classes.shape;
  // Stands for a value of the model, so it is not emitted itself.
  const features: VectorNode = {
    // The output of the wrapped model is a vector of floats, whatever the value of the foreign model is.
    name: read === architecture.features ? 'features' : rename(read),
    operation: { kind: 'flatten' },
    inputs: [],
    shape: { kind: 'vector', length: dimension },
  };
  const novelty = noveltyOf(features, tensors);
  const emitted = new Emitted();
  const nodes = nodesUpTo([novelty]).filter((node) => node !== features);
  emitted.layers(nodes, (node) => (node === features || node === novelty ? node.name : `${node.name}:out`));
  return emitted;
}

/** The value that the first of the head's dense layers reads; each layer before the last has a relu. */
function valueBelow({ layers }: NoveltyTensors, view: GraphView, { features }: OnnxArchitecture): string {
  let value = features;
  for (let layer = 1; layer < layers; layer += 1) {
    const dense = view.producer(view.producer(value)?.inputs?.[0] ?? '');
    if (dense?.operator !== 'Gemm') {
      throw new ConversionError(`there are no ${layers} dense layers before the logits of the model`);
    }
    value = dense.inputs?.[0] ?? '';
  }
  return value;
}
