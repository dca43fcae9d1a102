import { Checkpoint } from '../architectures/checkpoint.ts';
import type { Backbone } from '../architectures/modules.ts';
import { ConversionError } from '../conversion-error.ts';
import { bytesOf } from '../formats/file-sink.ts';
import { normalize, pixels } from '../graph/ir.ts';
import type { Pair } from '../graph/windows.ts';
import { type Architecture, buildBackbone } from '../network.ts';
import { afterZeros, type ComputedTensor, DenseLayer, type ModuleTensors, type Norm } from './dense-layer.ts';
import type { TensorFile } from './state-dict-names.ts';

/** A head whose layers are not those that this converter can build. */
export class UnsupportedHead extends ConversionError {
  constructor(tensor: string, reason: string) {
    super(`tensor "${tensor}" of the head: ${reason}. Export the model to ONNX and import that`);
  }
}

/** A checkpoint whose head has the names and the shape that `buildNetwork` reads. */
export interface FittedHead {
  readonly architecture: Architecture;
  readonly tensors: TensorFile;
  /** What was assumed, as sentences. */
  readonly notes: readonly string[];
}

/**
 * Reads the head that a trainer put in place of the last layer, as a `Sequential` of dense layers, batch norms, and
 * modules without tensors (relu, dropout), or as a layer with one output for a sigmoid. Batch norms are folded into the
 * dense layers; one output becomes two classes.
 *
 * @returns undefined when the checkpoint has the last layer of the architecture
 * @throws UnsupportedHead that names a tensor; ConversionError when the backbone does not fit
 */
export function fitReplacedHead(
  architecture: Architecture,
  tensors: TensorFile,
  inputSize: Pair,
): FittedHead | undefined {
  if (architecture.head !== undefined) return undefined;
  try {
    return fitAfter(architecture, tensors, inputSize);
  } catch (error) {
    if (!(error instanceof ConversionError)) throw error;
    let reason: ConversionError | undefined;
    for (const shorter of withoutHidden(architecture)) {
      try {
        return fitAfter(shorter, tensors, inputSize) ?? { architecture: shorter, tensors, notes: [] };
      } catch (thrown) {
        if (!(thrown instanceof ConversionError)) throw thrown;
        if (thrown instanceof UnsupportedHead) reason ??= thrown;
      }
    }
    throw reason ?? error;
  }
}

/** VGG and AlexNet without their dense layers, after maps of 7x7 or 6x6 as usual, or after the mean of each map. */
function withoutHidden(architecture: Architecture): Architecture[] {
  if (!('hidden' in architecture)) return [];
  const bare = { ...architecture, hidden: [] };
  return [bare, { ...bare, pool: 1 }];
}

function fitAfter(architecture: Architecture, tensors: TensorFile, inputSize: Pair): FittedHead | undefined {
  const checkpoint = new Checkpoint(tensors);
  const input = normalize('normalize', pixels(inputSize), [0, 0, 0], [1, 1, 1]);
  const backbone = buildBackbone(architecture, checkpoint, input);
  if (backbone.classifier.kind !== 'dense') return twoClassMaps(architecture, backbone.classifier.name, tensors);
  const { length } = backbone.features().shape;
  const names = checkpoint.unused(backbone.trainingOnly);
  if (names.length === 0 || isUsual(names, backbone, tensors)) return undefined;
  const layers = denseLayers(modulesOf(names, backbone.classifier.name, tensors));
  expectChained(layers, length);
  const isBinary = layers.at(-1)?.outputs === 1;
  const hidden = layers.slice(0, -1).map(({ outputs }) => outputs);
  const replaced = hidden.length > 0;
  return {
    architecture: replaced ? { ...architecture, head: { from: 'features', hidden } } : architecture,
    tensors: withTensors(
      tensors,
      names,
      tensorsOf(layers, (index) => (replaced ? `head.${index}` : backbone.classifier.name)),
    ),
    notes: [
      ...(replaced
        ? ['The head has several layers; a ReLU is assumed between them. If it is another function, import from ONNX.']
        : []),
      ...(isBinary ? [TWO_CLASSES] : []),
    ],
  };
}

/** What is said about a model with one output for a sigmoid. */
export const TWO_CLASSES =
  'The only output became two classes: the second one has the score of its sigmoid, the first one the rest.';

/** A classifier that is a convolution, as in SqueezeNet, with one output. */
function twoClassMaps(architecture: Architecture, name: string, tensors: TensorFile): FittedHead | undefined {
  const [outputs, channels = 0, ...window] = tensors.shape(`${name}.weight`) ?? [];
  if (outputs !== 1 || tensors.shape(`${name}.bias`)?.join() !== '1') return undefined;
  const part = (suffix: string, shape: readonly number[]): [string, ComputedTensor] => [
    `${name}.${suffix}`,
    afterZeros({ shape, read: () => tensors.read(`${name}.${suffix}`) }, [2, ...shape.slice(1)]),
  ];
  const made = new Map([part('weight', [1, channels, ...window]), part('bias', [1])]);
  return { architecture, tensors: withTensors(tensors, [...made.keys()], made), notes: [TWO_CLASSES] };
}

function isUsual(names: readonly string[], { classifier }: Backbone, tensors: TensorFile): boolean {
  const [weight, bias] = [`${classifier.name}.weight`, `${classifier.name}.bias`];
  const isLast = names.length === 2 && names.includes(weight) && names.includes(bias);
  return isLast && tensors.shape(weight)?.[0] !== 1;
}

/** A module of a head that has tensors. */
interface Module extends ModuleTensors {
  /** Its place in the `Sequential`; undefined when its name is no number. */
  readonly index: number | undefined;
}

/** The innermost module that all these tensors are in: a head may have another name than the last layer. */
function commonModule([first = '', ...others]: readonly string[]): string {
  const parts = first.split('.').slice(0, -1);
  const shared = parts.findIndex((_, index) => {
    const module = `${parts.slice(0, index + 1).join('.')}.`;
    return !others.every((name) => name.startsWith(module));
  });
  return (shared < 0 ? parts : parts.slice(0, shared)).join('.');
}

/** The modules in their order. @param classifier the name of the last layer of the architecture */
function modulesOf(names: readonly string[], classifier: string, tensors: TensorFile): Module[] {
  const parent = classifier.split('.').slice(0, -1).join('.');
  const prefix = [classifier, parent, commonModule(names)].find(
    (candidate) => candidate !== '' && names.every((name) => name.startsWith(`${candidate}.`)),
  );
  if (prefix === undefined) {
    const other = names.find((name) => !name.startsWith(`${classifier}.`)) ?? classifier;
    throw new ConversionError(`the architecture has no layer for tensor "${other}"`);
  }
  const modules = new Map<string, Record<string, string>>();
  for (const name of names) {
    const end = name.lastIndexOf('.');
    const module = name.slice(prefix.length + 1, Math.max(end, prefix.length + 1));
    modules.set(module, { ...modules.get(module), [name.slice(end + 1)]: name });
  }
  const found = Array.from(modules, ([module, parts]): Module => {
    const index = /^\d+$/.test(module) ? Number(module) : undefined;
    const shapeOf = (part: string) => tensors.shape(parts[part] ?? '');
    return { index, parts, shapeOf, read: (part) => tensors.read(parts[part] ?? '') };
  });
  // Some formats sort tensors by name, so that 10 comes before 2.
  return found.sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
}

/**
 * The dense layers of a head. A module without tensors between two dense layers is taken for a relu. A batch norm
 * right after a dense layer is applied to its outputs, any other one to the inputs of the next dense layer.
 */
function denseLayers(modules: readonly Module[]): DenseLayer[] {
  const layers: DenseLayer[] = [];
  let pending: Norm[] = [];
  let before: number | undefined;
  let hasGap = true;
  for (const module of modules) {
    const isNext = before !== undefined && module.index === before + 1;
    hasGap ||= !isNext;
    const last = layers.at(-1);
    if (isDense(module)) {
      if (!hasGap) throw new UnsupportedHead(someName(module), 'no activation is between two dense layers');
      layers.push(new DenseLayer(module, pending));
      pending = [];
      hasGap = false;
    } else if (isNorm(module)) {
      const isAfter = last !== undefined && pending.length === 0 && (module.index === undefined || !hasGap);
      if (isAfter) last.after.push(module);
      else pending.push(module);
    } else {
      throw new UnsupportedHead(someName(module), 'only dense layers and batch norms are supported');
    }
    before = module.index;
  }
  const [loose] = pending;
  if (loose !== undefined) throw new UnsupportedHead(someName(loose), 'no dense layer follows');
  return layers;
}

const DENSE_PARTS = ['weight', 'bias'];
const NORM_PARTS = ['weight', 'bias', 'running_mean', 'running_var'];

function isDense({ parts, shapeOf }: Module): boolean {
  return shapeOf('weight')?.length === 2 && Object.keys(parts).every((part) => DENSE_PARTS.includes(part));
}

function isNorm({ parts, shapeOf }: Module): boolean {
  return shapeOf('running_var')?.length === 1 && Object.keys(parts).every((part) => NORM_PARTS.includes(part));
}

function someName({ parts }: ModuleTensors): string {
  return Object.values(parts)[0] ?? '';
}

function expectChained(layers: readonly DenseLayer[], features: number): void {
  let length = features;
  for (const layer of layers) {
    if (layer.inputs !== length) {
      throw new UnsupportedHead(layer.name, `it reads ${layer.inputs} values, but the layer before it gives ${length}`);
    }
    const wrong = layer.unfittingNorm();
    if (wrong !== undefined) throw new UnsupportedHead(someName(wrong), 'it does not fit its dense layer');
    length = layer.outputs;
  }
}

/** The layers as tensors. @param nameOf the name of a layer */
function tensorsOf(
  layers: readonly DenseLayer[],
  nameOf: (index: number) => string,
): ReadonlyMap<string, ComputedTensor> {
  return new Map(
    layers.flatMap((layer, index) => {
      const isLast = index === layers.length - 1;
      const { weight, bias } = isLast && layer.outputs === 1 ? layer.asTwoClasses() : layer.folded();
      return [[`${nameOf(index)}.weight`, weight] as const, [`${nameOf(index)}.bias`, bias] as const];
    }),
  );
}

/** The file with computed tensors in place of some of its own. */
function withTensors(
  file: TensorFile,
  replaced: readonly string[],
  made: ReadonlyMap<string, ComputedTensor>,
): TensorFile {
  const kept = [...file.names()].filter((name) => !replaced.includes(name));
  const entries = new Map([
    ...kept.flatMap((name) => {
      const entry = file.entries.get(name);
      return entry === undefined ? [] : [[name, entry] as const];
    }),
    ...Array.from(made, ([name, { shape }]) => [name, { dtype: 'F32', shape }] as const),
  ]);
  const read = (name: string) => made.get(name)?.read() ?? file.read(name);
  return {
    entries,
    names: () => entries.keys(),
    shape: (name) => entries.get(name)?.shape,
    read,
    readBytes: async (name) => (made.has(name) ? bytesOf(await read(name)) : await file.readBytes(name)),
  };
}
