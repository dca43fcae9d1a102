import { ConversionError } from '../conversion-error.ts';
import type { Dtype } from '../formats/element-types.ts';
import type { StoredTensors } from '../formats/safetensors/writer.ts';
import type { TensorSource } from '../graph/tensors.ts';
import { withoutTransformersNames } from './transformers-names.ts';

/** A module of a network in the zoo's own names; no wrapper. */
const PART = 'features';
/** Share of the tensors in a wrapper around all but the head: `backbone.conv1.weight` beside `head.weight`. */
const MOST = 0.8;

/** Tensors that are stored among those of a network and belong to its training: a counter of averages, a loss. */
const TRAINING_ONLY = /^(?:n_averaged$|(?:criterion|loss|loss_fn|loss_function)\.)/;

/** Tensors that can be read, and copied in their stored form. */
export type TensorFile = TensorSource & StoredTensors;

/**
 * Leaves out the tensors of the training, and removes the modules that wrap the network, or all of it but its head, from
 * the names: `module.`, `model._orig_mod.`, `backbone.`.
 *
 * @returns the same object when there is nothing to change
 */
export function unwrapped(file: TensorFile): TensorFile {
  const all = [...file.names()];
  const names = all.filter((name) => !TRAINING_ONLY.test(name));
  if (names.length === 0) throw new ConversionError('the file has no tensors');
  const ours = withoutTransformersNames(names);
  const sources = unwrappedNames(new Map(names.map((name, index) => [ours[index] ?? name, name])));
  const isSame = names.length === all.length && [...sources].every(([name, source]) => name === source);
  return isSame ? file : renamed(file, sources);
}

/** Removes one wrapper after the other. @param sources the name in the file by the name without wrappers */
function unwrappedNames(sources: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const wrapper = wrapperOf([...sources.keys()]);
  if (wrapper === undefined) return sources;
  const inner = new Map(
    Array.from(sources, ([name, source]) => [name.startsWith(wrapper) ? name.slice(wrapper.length) : name, source]),
  );
  return inner.size === sources.size ? unwrappedNames(inner) : sources;
}

/** A first module that has most tensors, and only other modules in it. The modules of a `Sequential` are numbered. */
function wrapperOf(names: readonly string[]): string | undefined {
  // Most names begin with it, so the one in the middle of the sorted names does.
  const middle = names.toSorted()[Math.floor(names.length / 2)] ?? '';
  const first = middle.slice(0, middle.indexOf('.') + 1);
  const within = names.filter((name) => name.startsWith(first));
  const isWrapper = within.every((name) => /^[A-Za-z_][^.]*\./.test(name.slice(first.length)));
  return first !== '' && first !== `${PART}.` && isWrapper && within.length >= MOST * names.length ? first : undefined;
}

/** Some tensors of a file under other names. @param sources the name in the file by the new name */
function renamed(file: TensorFile, sources: ReadonlyMap<string, string>): TensorFile {
  const sourceOf = (name: string) => {
    const source = sources.get(name);
    if (source === undefined) throw new ConversionError(`there is no tensor "${name}"`);
    return source;
  };
  const entries = new Map<string, { readonly dtype: Dtype; readonly shape: readonly number[] }>();
  for (const [name, source] of sources) {
    const entry = file.entries.get(source);
    if (entry !== undefined) entries.set(name, entry);
  }
  return {
    entries,
    names: () => sources.keys(),
    shape: (name) => entries.get(name)?.shape,
    read: (name) => file.read(sourceOf(name)),
    readBytes: (name) => file.readBytes(sourceOf(name)),
  };
}
