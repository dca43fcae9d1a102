import { stream } from '../../scripts/generated-tensors.ts';
import { elementCount } from '../../src/common/tensor.ts';
import type { Weight } from '../../src/convert/graph/tensors.ts';

/** A weight with the given values, or with values in -1..1 that follow from its name. */
export function constantWeight(name: string, shape: readonly number[], values?: readonly number[]): Weight {
  const data = values === undefined ? stream(name, elementCount(shape), -1, 1) : Float32Array.from(values);
  return { name, shape, read: async () => data.slice() };
}
