import { ConversionError } from '../../conversion-error.ts';
import { shown } from './pickle-machine.ts';
import { TensorView, UnsetTensor } from './tensor-view.ts';

/** Keys under which training scripts save the network, beside optimizer, epoch and so on. The first match is used. */
const NETWORK_KEYS = ['state_dict', 'model_state_dict', 'model', 'net', 'network', 'module', 'weights'];
/** Nesting of such keys, as in `{'model': {'state_dict': ...}}`. */
const MAX_NESTING = 3;

/**
 * Finds the tensors of a network by name. Values that are not tensors, such as an epoch, are skipped.
 *
 * @throws ConversionError when there are none
 */
export function findStateDict(object: unknown, nesting = 0): ReadonlyMap<string, TensorView> {
  if (!(object instanceof Map)) {
    throw new ConversionError(
      'the checkpoint is not a dict of tensors: save model.state_dict(), or a dict with it as "state_dict"',
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
      `the checkpoint has neither tensors nor a dict of them named ${NETWORK_KEYS.join(', ')}; ` +
        `its keys are [${keys.join(', ')}]`,
    );
  }
  return findStateDict(object.get(key), nesting + 1);
}
