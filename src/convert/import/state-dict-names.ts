import { ConversionError } from '../conversion-error.ts';
import type { Dtype } from '../formats/element-types.ts';
import type { StoredTensors } from '../formats/safetensors/writer.ts';
import type { TensorSource } from '../graph/tensors.ts';

/** Names of modules that training scripts wrap a network in, such as data parallelism or a compiled module. */
const WRAPPER = /^(?:module|model|net|network|backbone|encoder|_orig_mod)\./;

/** Tensors that are stored among those of a network and belong to its training: a counter of averages, a loss. */
const TRAINING_ONLY = /^(?:n_averaged$|(?:criterion|loss|loss_fn|loss_function)\.)/;

/** Tensors that can be read, and copied in their stored form. */
export type TensorFile = TensorSource & StoredTensors;

/**
 * Leaves out the tensors of the training, and removes the wrapper prefix that all other names share, such as `module.`.
 *
 * @returns the same object when there is nothing to change
 */
export function unwrapped(file: TensorFile): TensorFile {
  const all = [...file.names()];
  const names = all.filter((name) => !TRAINING_ONLY.test(name));
  const prefix = wrapperOf(names);
  if (prefix === '' && names.length === all.length) return file;
  return renamed(file, new Map(names.map((name) => [name.slice(prefix.length), name])));
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

function wrapperOf(names: readonly string[]): string {
  const [first] = names;
  if (first === undefined) throw new ConversionError('the file has no tensors');
  let prefix = '';
  for (;;) {
    const next = WRAPPER.exec(first.slice(prefix.length))?.[0];
    if (next === undefined || !names.every((name) => name.startsWith(prefix + next))) return prefix;
    prefix += next;
  }
}
