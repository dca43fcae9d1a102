import { attachHead } from '../../src/convert/architectures/head.ts';
import type { Graph } from '../../src/convert/graph/graph.ts';
import { flatten, globalAveragePool, type MapNode, pixels, type VectorNode } from '../../src/convert/graph/ir.ts';
import type { Pair } from '../../src/convert/graph/windows.ts';
import { constantWeight } from './constant-weight.ts';

/** A classifier of three classes with the layers under test: pixels, `body`, a pool or flatten, a dense layer. */
export function smallGraph(size: Pair, body: (x: MapNode) => MapNode, ending: 'pool' | 'flatten' = 'pool'): Graph {
  const input = pixels(size);
  const activations = body(input);
  const entering: VectorNode =
    ending === 'pool' ? globalAveragePool('mean', activations) : flatten('flat', activations);
  const weight = constantWeight('fc.weight', [3, entering.shape.length]);
  return attachHead(input, activations, entering, [{ weight, bias: constantWeight('fc.bias', [3]) }]);
}
