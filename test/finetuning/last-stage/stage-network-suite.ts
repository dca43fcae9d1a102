import { beforeAll, describe, expect, it } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { nodesUpTo } from '../../../src/convert/graph/graph.ts';
import {
  activation,
  add,
  averagePool,
  concat,
  conv2d,
  dense,
  flatten,
  globalAveragePool,
  maxPool,
  pixels,
} from '../../../src/convert/graph/ir.ts';
import type { LastStage, LayerValues } from '../../../src/convert/transfer/last-stage.ts';
import { StageNetwork } from '../../../src/finetuning/last-stage/stage-network.ts';
import type { TensorFlowBackend } from '../../../src/runtime/session.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { constantWeight } from '../../convert/constant-weight.ts';

/** Maps that the stage is tested with. */
const ROWS = 2;
const entry = stream('entry', ROWS * 7 * 6 * 3, -1, 1);

/** A stage with every kind of layer: strides, odd padding, branches, both kinds of pools, two outputs. */
async function everyLayer(): Promise<LastStage> {
  const input = pixels([7, 6]);
  const padding = { top: 1, bottom: 0, left: 0, right: 1 };
  const first = activation(
    'relu',
    conv2d('first', input, {
      weight: constantWeight('first', [4, 3, 3, 2]),
      bias: constantWeight('first.bias', [4]),
      stride: [2, 1],
      padding,
    }),
    'relu',
  );
  const pooled = maxPool('max', first, { kernel: 3, stride: 1, padding: 1 });
  const branches = concat('concat', [
    conv2d('pointwise', first, { weight: constantWeight('pointwise', [2, 4, 1, 1]) }),
    averagePool('mean', pooled, { kernel: 3, padding: 1, countPadding: true }),
  ]);
  const six = conv2d('second', pooled, { weight: constantWeight('second', [6, 4, 3, 3]), padding: 1 });
  const sum = activation('relu2', add('add', branches, six), 'relu');
  const reduced = averagePool('mean2', sum, { kernel: 2, stride: 2, padding, countPadding: false });
  const vector = flatten('flat', reduced);
  const outputs = [
    globalAveragePool('means', first),
    dense('fc', vector, {
      weight: constantWeight('fc', [5, vector.shape.length]),
      bias: constantWeight('fc.bias', [5]),
    }),
  ];
  const nodes = nodesUpTo(outputs).filter((node) => node !== input);
  const weights = new Map<string, LayerValues>();
  for (const { name, operation } of nodes) {
    if (operation.kind !== 'conv2d' && operation.kind !== 'dense') continue;
    const bias = await operation.bias?.read();
    weights.set(name, { weight: await operation.weight.read(), ...(bias && { bias }) });
  }
  return { entry: input, nodes, outputs, weights };
}

/** Tests of the gradients of a stage, on one backend. */
export function describeStageNetwork(backend: TensorFlowBackend): void {
  describe(`the last stage of a network on ${backend}`, () => {
    let tf: TensorFlow;
    beforeAll(async () => {
      ({ tf } = await loadTensorFlow({ threads: 1, backend }));
    });

    it('has the gradient that finite differences have, for every parameter', async () => {
      const network = new StageNetwork(tf, await everyLayer());
      // The loss is a sum with a weight for each output.
      const factors = [stream('a', ROWS * 4, -1, 1), stream('b', ROWS * 5, -1, 1)];
      const loss = (): number =>
        network
          .forward(entry, ROWS)
          .outputs.reduce(
            (total, output, index) =>
              total + output.reduce((sum, value, i) => sum + value * (factors[index]?.[i] ?? 0), 0),
            0,
          );
      const gradients = network.backward(network.forward(entry, ROWS), factors);
      expect([...network.parameters.keys()]).toEqual(['first', 'pointwise', 'second']);
      const epsilon = 5e-4;
      for (const [name, { weight, bias }] of network.parameters) {
        for (const [kind, parameters] of Object.entries({ weight, ...(bias && { bias }) })) {
          const gradient = gradients.get(name)?.[kind as 'weight' | 'bias'];
          const wrong = parameters.filter((value, i) => {
            parameters[i] = value + epsilon;
            const above = loss();
            parameters[i] = value - epsilon;
            const below = loss();
            parameters[i] = value;
            return Math.abs((above - below) / (2 * epsilon) - (gradient?.[i] ?? Number.NaN)) > 0.05;
          });
          // A relu or a maximum that changes sides within the difference has another slope there.
          expect(wrong.length, `${kind} of ${name}`).toBeLessThanOrEqual(parameters.length / 50);
        }
      }
    });
  });
}
