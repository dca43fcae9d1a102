import type { Constant } from '../formats/onnx/nodes.ts';
import type { NodeProto } from '../formats/onnx/proto.ts';
import type { Addition } from './chain.ts';
import { attributeIntegers, type GraphView } from './graph-view.ts';

/**
 * The same nodes for any number of images: exporters write the batch of their example, usually one, into the target of
 * each Reshape, where a zero means "as many as come". Whether that made the model right for other batches is for a trial
 * to say.
 *
 * @param batch that the model was exported with; undefined where its input is open
 */
export function withoutFixedBatch(
  nodes: readonly NodeProto[],
  view: GraphView,
  batch: number | undefined,
  prefix: string,
): Addition {
  const constants: Constant[] = [];
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
