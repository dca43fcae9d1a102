import { NumpyArray } from './numpy-array.ts';
import { TensorView, UnsetTensor } from './tensor-view.ts';

/** Nesting, as in `{'hyper_parameters': {'data': {'class_to_idx': {...}}}}`. */
const MAX_DEPTH = 4;
/** Of one mapping or list: the longest lists of classes have some ten thousand. */
const MAX_ITEMS = 100_000;

/**
 * A value of a pickle as JSON has it: the texts, numbers, lists and mappings in it. Keys become texts. What is no such
 * value is left out, and so are tensors, long containers, and what is nested deeper.
 */
export function plainValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof NumpyArray) return value.items;
  if (depth > MAX_DEPTH || value instanceof TensorView || value instanceof UnsetTensor) return undefined;
  const items = Array.isArray(value) ? value : value instanceof Set ? [...value] : undefined;
  if (items !== undefined)
    return items.length > MAX_ITEMS ? undefined : items.map((item) => plainValue(item, depth + 1));
  if (!(value instanceof Map) || value.size > MAX_ITEMS) return undefined;
  const entries = Array.from(value, ([key, inner]) => [
    `${plainValue(key, MAX_DEPTH + 1)}`,
    plainValue(inner, depth + 1),
  ]);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}
