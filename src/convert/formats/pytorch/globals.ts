import { ConversionError } from '../../conversion-error.ts';
import type { Dtype } from '../element-types.ts';
import { NumpyArray, NumpyType } from './numpy-array.ts';
import { expectList } from './pickle-machine.ts';
import { type Storage, TensorView, UnsetTensor, viewOf } from './tensor-view.ts';

/** Element types by the first part of PyTorch's class names, such as `FloatStorage` and `FloatTensor`. */
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

/** A class that only tells the element type of a storage. */
export class StorageType {
  readonly name: string;
  readonly dtype: Dtype;

  constructor(name: string, dtype: Dtype) {
    this.name = name;
    this.dtype = dtype;
  }
}

/** A class or function that a pickle may call. */
class PythonFunction {
  readonly name: string;
  readonly call: (args: readonly unknown[]) => unknown;

  constructor(name: string, call: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** An object with attributes, such as `argparse.Namespace`: a dict whose state is its items. */
class Attributes extends Map<unknown, unknown> {}

/** An object whose value no network needs, such as a path or a number of numpy. */
class Inert {}

const INERT = /^(?:(?:numpy|pathlib|datetime)\.[\w.]+|torch\.(?:device|bool|(?:bfloat|float|int|uint)\d+))$/;

/** Types that a `defaultdict` creates its values with, and containers that are pickled as calls of their type. */
const BUILTINS: Readonly<Record<string, (args: readonly unknown[]) => unknown>> = {
  list: ([items = []]) => items,
  tuple: ([items = []]) => items,
  dict: () => new Map(),
  set: ([items = []]) => new Set(expectList(items)),
  frozenset: ([items = []]) => new Set(expectList(items)),
  int: () => 0,
  float: () => 0,
  str: () => '',
  bool: () => false,
};

/** All functions that a checkpoint may name, by their names in Python. */
const FUNCTIONS: ReadonlyMap<string, PythonFunction> = new Map(
  Object.entries<(args: readonly unknown[]) => unknown>({
    // Python 2 passes the items here; Python 3 sets them afterwards.
    'collections.OrderedDict': ([items = []]) => new Map(expectPairs(items)),
    'collections.defaultdict': () => new Map(),
    'collections.Counter': ([counts]) => (counts instanceof Map ? counts : new Map()),
    'argparse.Namespace': () => new Attributes(),
    'types.SimpleNamespace': () => new Attributes(),
    'numpy.dtype': ([name]) => new NumpyType(name),
    'numpy.core.multiarray._reconstruct': () => new NumpyArray(),
    'numpy._core.multiarray._reconstruct': () => new NumpyArray(),
    'numpy.core.multiarray.scalar': numpyScalar,
    'numpy._core.multiarray.scalar': numpyScalar,
    // Protocol 2 has no bytes: Python 3 writes them as a text whose characters are the bytes.
    '_codecs.encode': ([text]) => (typeof text === 'string' ? Buffer.from(text, 'latin1') : new Inert()),
    'torch.Size': ([sizes]) => sizes,
    'torch._utils._rebuild_tensor': rebuildTensor,
    'torch._utils._rebuild_tensor_v2': rebuildTensor,
    'torch._utils._rebuild_parameter': ([data]) => data,
    'torch.nn.parameter.Parameter': ([data]) => data,
    // Protocol 2 has the names of Python 2.
    ...Object.fromEntries(
      Object.entries(BUILTINS).flatMap(([name, call]) => [
        [`builtins.${name}`, call],
        [`__builtin__.${name}`, call],
      ]),
    ),
  }).map(([name, call]) => [name, new PythonFunction(name, call)]),
);

/** Resolves a class or function. @throws ConversionError when it is not one that weights need */
export function pythonGlobal(module: string, name: string): StorageType | PythonFunction {
  const whole = `${module}.${name}`;
  const known = FUNCTIONS.get(whole);
  if (known !== undefined) return known;
  if (INERT.test(whole)) return new PythonFunction(whole, () => new Inert());
  const [, type = '', what] = /^torch(?:\.cuda)?\.(\w+?)(Storage|Tensor)$/.exec(whole) ?? [];
  const dtype = Object.hasOwn(ELEMENT_TYPES, type) ? ELEMENT_TYPES[type] : undefined;
  if (dtype !== undefined && what === 'Storage') return new StorageType(whole, dtype);
  if (dtype !== undefined && what === 'Tensor') return new PythonFunction(whole, () => new UnsetTensor());
  throw new ConversionError(
    `the file has the Python object "${whole}"; only tensors and plain containers are supported: ` +
      'save model.state_dict() alone, or export the model to ONNX',
  );
}

/** @throws ConversionError when `callee` is not a function of `pythonGlobal` */
export function callPython(callee: unknown, args: readonly unknown[]): unknown {
  if (callee instanceof PythonFunction) return callee.call(args);
  const name = callee instanceof StorageType ? `"${callee.name}"` : 'a value that is not a function';
  throw new ConversionError(`the file calls ${name}; only tensors and plain containers are supported`);
}

/** Sets the state of an object: of a tensor of the first PyTorch releases, or of attributes; others ignore it. */
export function buildPython(object: unknown, state: unknown): void {
  if (object instanceof UnsetTensor) {
    if (!Array.isArray(state)) throw new ConversionError('the state of a tensor is not a tuple');
    object.view = rebuildTensor(state);
  } else if (object instanceof Attributes && state instanceof Map) {
    for (const [name, value] of state) object.set(name, value);
  } else if (object instanceof NumpyArray && Array.isArray(state)) {
    object.state = state;
  } else if (
    !(object instanceof Map || object instanceof TensorView || object instanceof Inert || object instanceof NumpyType)
  ) {
    throw new ConversionError('the file sets the state of an object that is neither a tensor nor a dict');
  }
}

/** A number or a text of numpy: `numpy.str_` is a text whose type is told before. */
function numpyScalar([type, bytes]: readonly unknown[]): unknown {
  const array = new NumpyArray();
  array.state = [1, [], type, false, bytes];
  return array.items[0] ?? new Inert();
}

/** The arguments are `(storage, offset, sizes, strides, ...)`; the rest is about gradients. */
function rebuildTensor([storage, offset, sizes, strides]: readonly unknown[]): TensorView {
  return viewOf(storage as Storage, offset, sizes, strides);
}

function expectPairs(items: unknown): [unknown, unknown][] {
  if (!Array.isArray(items)) throw new ConversionError('the items of an OrderedDict are not a list');
  return items.map((item) => {
    if (!Array.isArray(item) || item.length !== 2)
      throw new ConversionError('the items of an OrderedDict are not pairs');
    return [item[0], item[1]];
  });
}
