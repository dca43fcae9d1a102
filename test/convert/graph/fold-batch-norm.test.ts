import { expect, test } from 'vitest';
import { foldBatchNorm } from '../../../src/convert/graph/fold-batch-norm.ts';
import { type Graph, weightsOf } from '../../../src/convert/graph/graph.ts';
import { add, batchNorm, conv2d, type MapNode, maxPool } from '../../../src/convert/graph/ir.ts';
import { constantWeight } from '../constant-weight.ts';
import { smallGraph } from '../small-graph.ts';

const kinds = ({ nodes }: Graph) => nodes.map(({ operation }) => operation.kind);

function norm(x: MapNode): MapNode {
  return batchNorm('bn', x, {
    scale: constantWeight('bn.weight', [2], [2, 3]),
    shift: constantWeight('bn.bias', [2], [10, 20]),
    mean: constantWeight('bn.running_mean', [2], [1, -1]),
    variance: constantWeight('bn.running_var', [2], [0.25, 4]),
    epsilon: 0,
  });
}

const weight = constantWeight('conv.weight', [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]);

test('scales the weight by channel, and folds the rest into the bias', async () => {
  const bias = constantWeight('conv.bias', [2], [5, 7]);
  const graph = foldBatchNorm(smallGraph([4, 4], (x) => norm(conv2d('conv', x, { weight, bias }))));

  expect(kinds(graph)).toEqual(['pixels', 'conv2d', 'global_average_pool', 'dense', 'softmax']);
  const [foldedWeight, foldedBias] = graph.nodes.flatMap(weightsOf);
  expect(await foldedWeight?.read()).toEqual(Float32Array.of(4, 8, 12, 6, 7.5, 9));
  expect(await foldedBias?.read()).toEqual(Float32Array.of((5 - 1) * 4 + 10, (7 + 1) * 1.5 + 20));
});

test('a convolution without a bias gets one', async () => {
  const graph = foldBatchNorm(smallGraph([4, 4], (x) => norm(conv2d('conv', x, { weight }))));
  const [, bias] = graph.nodes.flatMap(weightsOf);
  expect(await bias?.read()).toEqual(Float32Array.of(6, 21.5));
});

test('a convolution with other readers is not changed', () => {
  const graph = smallGraph([4, 4], (x) => {
    const convolved = conv2d('conv', x, { weight });
    return add('add', norm(convolved), convolved);
  });
  expect(kinds(foldBatchNorm(graph))).toEqual(kinds(graph));
});

test('a batch norm after another layer is not changed', () => {
  const graph = smallGraph([4, 4], (x) => norm(maxPool('max', conv2d('conv', x, { weight }), { kernel: 2 })));
  expect(kinds(foldBatchNorm(graph))).toEqual(kinds(graph));
});
