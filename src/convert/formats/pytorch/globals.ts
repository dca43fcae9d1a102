import { ConversionError } from '../../conversion-error.ts';
import type { Dtype } from '../element-types.ts';
import { type Storage, TensorView, UnsetTensor, viewOf } from './tensor-view.ts';

/** Element types by the first part of PyTorch's class names: `FloatStorage`, `FloatTensor`. */
const ELEMENT_TYPES: Readonly<Record<string, Dtype>> = {
  Double: 'F64',
  Float: 'F32',
  Half: 'F16',
  BFloat16: 'BF16',
  Long: 'I64',
  Int: 'I32',
  Short: 'I16',
  Char: 'I8',
  Byte: 'U8',
  Bool: 'BOOL',
};

/** A class that only says of which type a storage's elements are. */
export class StorageType {
  readonly name: string;
  readonly dtype: Dtype;

  constructor(name: string, dtype: Dtype) {
    this.name = name;
    this.dtype = dtype;
  }
}

/** A class or function that may be called. */
class PythonFunction {
  readonly name: string;
  readonly call: (args: readonly unknown[]) => unknown;

  constructor(name: string, call: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** What a checkpoint may name, and all of it; each has lived under that name since it was written down. */
const FUNCTIONS: ReadonlyMap<string, PythonFunction> = new Map(
  Object.entries<(args: readonly unknown[]) => unknown>({
    // Python 2 gives its items here, later ones set them.
    'collections.OrderedDict': ([items = []]) => new Map(expectPairs(items)),
    'torch.Size': ([sizes]) => sizes,
    'torch._utils._rebuild_tensor': rebuildTensor,
    'torch._utils._rebuild_tensor_v2': rebuildTensor,
    'torch._utils._rebuild_parameter': ([data]) => data,
    'torch.nn.parameter.Parameter': ([data]) => data,
  }).map(([name, call]) => [name, new PythonFunction(name, call)]),
);

/** A class or function by its names in Python. @throws ConversionError for any that no weights need */
export function pythonGlobal(module: string, name: string): StorageType | PythonFunction {
  const whole = `${module}.${name}`;
  const known = FUNCTIONS.get(whole);
  if (known !== undefined) return known;
  const [, type = '', what] = /^torch(?:\.cuda)?\.(\w+?)(Storage|Tensor)$/.exec(whole) ?? [];
  const dtype = Object.hasOwn(ELEMENT_TYPES, type) ? ELEMENT_TYPES[type] : undefined;
  if (dtype !== undefined && what === 'Storage') return new StorageType(whole, dtype);
  if (dtype !== undefined && what === 'Tensor') return new PythonFunction(whole, () => new UnsetTensor());
  throw new ConversionError(
    `it holds the Python object "${whole}", and only tensors and plain containers are read: save model.state_dict() alone`,
  );
}

/** @throws ConversionError for what is no function of `pythonGlobal` */
export function callPython(callee: unknown, args: readonly unknown[]): unknown {
  if (callee instanceof PythonFunction) return callee.call(args);
  const name = callee instanceof StorageType ? `"${callee.name}"` : 'what is no function';
  throw new ConversionError(`it calls ${name}, and only tensors and plain containers are read`);
}

/** Gives an object its state: a tensor of PyTorch's first releases its storage; nothing else keeps any of it. */
export function buildPython(object: unknown, state: unknown): void {
  if (object instanceof UnsetTensor) {
    if (!Array.isArray(state)) throw new ConversionError('a tensor whose state is no tuple');
    object.view = rebuildTensor(state);
  } else if (!(object instanceof Map || object instanceof TensorView)) {
    throw new ConversionError('it sets the state of an object that is neither tensor nor dict');
  }
}

/** `(storage, offset, sizes, strides, ...)`; what follows is about gradients. */
function rebuildTensor([storage, offset, sizes, strides]: readonly unknown[]): TensorView {
  return viewOf(storage as Storage, offset, sizes, strides);
}

function expectPairs(items: unknown): [unknown, unknown][] {
  if (!Array.isArray(items)) throw new ConversionError('an OrderedDict of what is no list');
  return items.map((item) => {
    if (!Array.isArray(item) || item.length !== 2) throw new ConversionError('an OrderedDict of what are no pairs');
    return [item[0], item[1]];
  });
}
