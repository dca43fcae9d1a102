import { elementCount } from '../../src/common/tensor.ts';
import { weightsOf } from '../../src/convert/graph/graph.ts';
import type { Node } from '../../src/convert/graph/ir.ts';

/** The number of trained values of some layers: mean and variance of a batch norm are measured, not trained. */
export function trainedValues(nodes: readonly Node[]): number {
  const weights = nodes.flatMap((node) =>
    node.operation.kind === 'batch_norm' ? weightsOf(node).slice(0, 2) : weightsOf(node),
  );
  return weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
