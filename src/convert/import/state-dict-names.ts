import { ConversionError } from '../conversion-error.ts';
import type { StoredTensors } from '../formats/safetensors/writer.ts';
import type { TensorSource } from '../graph/tensors.ts';

/** Modules that training scripts put around a network: data parallelism, compilation, a class with a loss in it. */
const WRAPPER = /^(?:module|model|net|network|backbone|encoder|_orig_mod)\./;

/** Tensors that can be looked at, and copied as they are stored. */
export type TensorFile = TensorSource & StoredTensors;

/**
 * The tensors by the network's own names: what stands before all of them alike, such as `module.`, is left out.
 * @returns the same object when nothing does
 */
export function unwrapped(file: TensorFile): TensorFile {
  const prefix = wrapperOf([...file.names()]);
  if (prefix === '') return file;
  const outer = (name: string) => `${prefix}${name}`;
  return {
    entries: new Map(Array.from(file.entries, ([name, entry]) => [name.slice(prefix.length), entry])),
    names: () => Array.from(file.names(), (name) => name.slice(prefix.length)),
    shape: (name) => file.shape(outer(name)),
    read: (name) => file.read(outer(name)),
    readBytes: (name) => file.readBytes(outer(name)),
  };
}

function wrapperOf(names: readonly string[]): string {
  const [first] = names;
  if (first === undefined) throw new ConversionError('the file holds no tensors');
  let prefix = '';
  for (;;) {
    const next = WRAPPER.exec(first.slice(prefix.length))?.[0];
    if (next === undefined || !names.every((name) => name.startsWith(prefix + next))) return prefix;
    prefix += next;
  }
}
