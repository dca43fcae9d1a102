import { stream } from '../../scripts/generated-tensors.ts';
import { elementCount } from '../../src/common/tensor.ts';
import type { Weight } from '../../src/convert/graph/tensors.ts';

/** A weight of the given values, or of some in -1..1 that its name decides. */
export function constantWeight(name: string, shape: readonly number[], values?: readonly number[]): Weight {
  const data = values === undefined ? stream(name, elementCount(shape), -1, 1) : Float32Array.from(values);
  return { name, shape, read: async () => data.slice() };
}
