import { elementCount } from '../../../common/tensor.ts';
import { ConversionError } from '../../conversion-error.ts';
import { shown } from './pickle-machine.ts';
import { TensorView, UnsetTensor } from './tensor-view.ts';

/** Which weights to take when a checkpoint has both: averaged over the training (EMA), or those of its last step. */
export const WEIGHTS_CHOICES = ['ema', 'raw'] as const;
export type WeightsChoice = (typeof WEIGHTS_CHOICES)[number];

/** The tensors of a network in a checkpoint. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorView>;
  /** The keys that lead to them, such as `model.state_dict`; empty when the checkpoint is the state dict itself. */
  readonly path: string;
  /** The same of the weights that were not taken, when the checkpoint has both averaged weights and others. */
  readonly other?: string;
  /** Which of both were taken; absent when there is no other. */
  readonly taken?: WeightsChoice;
}

/** Keys under which training scripts save the network. They decide between mappings of the same size. */
const NETWORK_KEYS = ['state_dict', 'model_state_dict', 'model', 'net', 'network', 'module', 'weights'];
/** Keys of averaged weights: `state_dict_ema` (timm), `model_ema` (torchvision), `ema_state_dict` (MMEngine). */
const AVERAGED = /(?:^|[._])(?:ema|averaged|shadow|swa|teacher)(?:$|[._])/i;
/** Modules of averaged weights beside the network in one mapping; a teacher is averaged in self-supervised training. */
const AVERAGED_MODULE = /(?:^|_)(?:ema|averaged|swa|teacher)(?:_|\.)/i;
/** Such a mapping may have a few counters more. */
const MAX_UNEQUAL = 0.001;
/** Keys of mappings of tensors that are no network. */
const TRAINER_STATE = /optim|sched|scaler/i;
/** Nesting of mappings, as in `{'model': {'state_dict': ...}}`. */
const MAX_NESTING = 3;

/**
 * Finds the network: the largest mapping of names to tensors. Training scripts save other tensors beside it, such as
 * the best accuracy, and values that are not tensors, such as an epoch.
 *
 * @param choice averaged weights when absent, if there are any
 * @throws ConversionError when there are no tensors, or no averaged ones and they are wanted
 */
export function findStateDict(object: unknown, choice?: WeightsChoice): StateDict {
  if (!(object instanceof Map)) {
    throw new ConversionError(
      'the checkpoint is not a dict of tensors: save model.state_dict(), or a dict with it as "state_dict"',
    );
  }
  const found = mappingsUnder(object, [], new Set()).sort((a, b) => b.elements - a.elements || rank(a) - rank(b));
  const averaged = found.find(({ path }) => AVERAGED.test(path));
  const raw = found.find(({ path }) => !AVERAGED.test(path));
  if (choice === 'ema' && averaged === undefined) {
    throw new ConversionError(`the checkpoint has no averaged weights; it has ${listed(found)}`);
  }
  // A checkpoint may average only a few of its tensors; those are not the network.
  const isWhole = averaged !== undefined && averaged.elements >= (1 - MAX_UNEQUAL) * (raw?.elements ?? 0);
  const taken = choice === 'raw' || (choice === undefined && !isWhole) ? (raw ?? averaged) : averaged;
  if (taken === undefined) {
    const keys = [...object.keys()].slice(0, 10).map(shown);
    throw new ConversionError(`the checkpoint has no mapping of names to tensors; its keys are [${keys.join(', ')}]`);
  }
  const other = taken === raw ? averaged : raw;
  const both = averaged && other && ({ other: other.path, taken: taken === averaged ? 'ema' : 'raw' } as const);
  return { tensors: taken.tensors, path: taken.path, ...both };
}

interface Mapping {
  readonly tensors: ReadonlyMap<string, TensorView>;
  readonly path: string;
  readonly elements: number;
}

/** @param seen the mappings that were searched: the same one may be stored under many keys */
function mappingsUnder(object: ReadonlyMap<unknown, unknown>, keys: readonly string[], seen: Set<unknown>): Mapping[] {
  seen.add(object);
  const tensors = new Map<string, TensorView>();
  const nested: Mapping[] = [];
  for (const [key, value] of object) {
    if (typeof key !== 'string') continue;
    const view = value instanceof UnsetTensor ? value.view : value;
    if (view instanceof TensorView) tensors.set(key, view);
    else if (value instanceof Map && !seen.has(value) && keys.length < MAX_NESTING && !TRAINER_STATE.test(key)) {
      nested.push(...mappingsUnder(value, [...keys, key], seen));
    }
  }
  if (tensors.size === 0) return nested;
  return [...split(mappingOf(tensors, keys)), ...nested];
}

function mappingOf(tensors: ReadonlyMap<string, TensorView>, keys: readonly string[]): Mapping {
  const elements = [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { tensors, path: keys.join('.'), elements };
}

/**
 * Splits a mapping that holds a network twice: as a module of averaged weights, such as `ema_model`, beside the other
 * tensors. A teacher that is another network has another size.
 */
function split(mapping: Mapping): Mapping[] {
  const { tensors, path } = mapping;
  const modules = new Set([...tensors.keys()].map((name) => name.slice(0, name.indexOf('.') + 1)));
  for (const module of modules) {
    if (!AVERAGED_MODULE.test(module)) continue;
    const [inside, outside] = [new Map<string, TensorView>(), new Map<string, TensorView>()];
    for (const [name, view] of tensors) {
      if (name.startsWith(module)) inside.set(name.slice(module.length), view);
      else outside.set(name, view);
    }
    const keys = path === '' ? [] : [path];
    const [averaged, raw] = [mappingOf(inside, [...keys, module.slice(0, -1)]), mappingOf(outside, keys)];
    if (Math.abs(averaged.elements - raw.elements) <= MAX_UNEQUAL * raw.elements) return [averaged, raw];
  }
  return [mapping];
}

function rank({ path }: Mapping): number {
  const index = NETWORK_KEYS.indexOf(path.split('.').at(-1) ?? '');
  return index < 0 ? NETWORK_KEYS.length : index;
}

function listed(found: readonly Mapping[]): string {
  return found.length === 0 ? 'no tensors' : found.map(({ path }) => path || 'one mapping of tensors').join(', ');
}
