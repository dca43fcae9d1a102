import { ConversionError } from '../../conversion-error.ts';
import { shown } from './shown.ts';
import { TensorView, UnsetTensor } from './tensor-view.ts';

/** Under which key training scripts keep the network, beside optimizer, epoch and so on; the first that is there. */
const NETWORK_KEYS = ['state_dict', 'model_state_dict', 'model', 'net', 'network', 'module', 'weights'];
/** Checkpoints of checkpoints: `{'model': {'state_dict': ...}}`. */
const MAX_NESTING = 3;

/**
 * The tensors of a network by name, wherever training scripts put them. What stands between the tensors and is none,
 * such as an epoch, is no part of a network.
 *
 * @throws ConversionError when there are none
 */
export function findStateDict(object: unknown, nesting = 0): ReadonlyMap<string, TensorView> {
  if (!(object instanceof Map)) {
    throw new ConversionError(
      'it holds no dict of tensors: save model.state_dict(), or a dict with it as "state_dict"',
    );
  }
  const tensors = new Map<string, TensorView>();
  for (const [name, value] of object) {
    const view = value instanceof UnsetTensor ? value.view : value;
    if (typeof name === 'string' && view instanceof TensorView) tensors.set(name, view);
  }
  if (tensors.size > 0) return tensors;
  const key = NETWORK_KEYS.find((candidate) => object.get(candidate) instanceof Map);
  if (key === undefined || nesting === MAX_NESTING) {
    const keys = [...object.keys()].slice(0, 10).map(shown);
    throw new ConversionError(
      `none of its keys is a tensor or a dict of them called ${NETWORK_KEYS.join(', ')}; they are [${keys.join(', ')}]`,
    );
  }
  return findStateDict(object.get(key), nesting + 1);
}
