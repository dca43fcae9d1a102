import type { OnnxConstant } from '../formats/onnx/nodes.ts';
import type { NodeProto } from '../formats/onnx/proto.ts';
import type { Addition } from './chain.ts';
import { attributeIntegers, type GraphView } from './graph-view.ts';

/**
 * Makes nodes independent of the batch size: exporters write the batch of their example, usually one, into the target
 * shape of each Reshape, where zero means the size of the input. Whether the model is then right for other batches
 * must be tried.
 *
 * @param batch the batch size of the input; undefined when it is dynamic
 */
export function withoutFixedBatch(
  nodes: readonly NodeProto[],
  view: GraphView,
  batch: number | undefined,
  prefix: string,
): Addition {
  const constants: OnnxConstant[] = [];
  const free = (node: NodeProto): NodeProto => {
    const [data = '', target = ''] = node.inputs ?? [];
    if (node.operator !== 'Reshape' || !view.isFed(data) || attributeIntegers(node, 'allowzero')?.[0] === 1)
      return node;
    const [first, ...rest] = view.integers(target) ?? [];
    if (first !== (batch ?? 1)) return node;
    const name = `${prefix}target:${constants.length}`;
    constants.push({ name, shape: [rest.length + 1], values: BigInt64Array.from([0, ...rest], BigInt) });
    return { ...node, inputs: [data, name] };
  };
  return { nodes: nodes.map(free), constants };
}
