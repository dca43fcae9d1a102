import { GeneratedTensors } from '../../scripts/generated-tensors.ts';
import { elementCount } from '../../src/common/tensor.ts';
import { Checkpoint } from '../../src/convert/architectures/checkpoint.ts';
import { weightsOf } from '../../src/convert/graph/graph.ts';
import type { Node } from '../../src/convert/graph/ir.ts';
import type { Weight } from '../../src/convert/graph/tensors.ts';

/** Weights that training changes: a batch norm's mean and variance are counted from the data. */
export function trainedValues(nodes: readonly Node[]): number {
  const weights = nodes.flatMap((node) =>
    node.operation.kind === 'batch_norm' ? weightsOf(node).slice(0, 2) : weightsOf(node),
  );
  return weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** A checkpoint that has every tensor in the shape in which it is asked for. */
export class AnyCheckpoint extends Checkpoint {
  readonly #has: (name: string) => boolean;

  constructor(has: (name: string) => boolean = () => false) {
    super(new GeneratedTensors('', {}));
    this.#has = has;
  }

  override has(name: string): boolean {
    return this.#has(name);
  }

  override weight(name: string, shape: readonly number[]): Weight {
    return { name, shape, read: () => Promise.reject(new Error('shapes only')) };
  }
}
