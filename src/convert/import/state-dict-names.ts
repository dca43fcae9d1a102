import { ConversionError } from '../conversion-error.ts';
import type { StoredTensors } from '../formats/safetensors/writer.ts';
import type { TensorSource } from '../graph/tensors.ts';

/** Names of modules that training scripts wrap a network in, such as data parallelism or a compiled module. */
const WRAPPER = /^(?:module|model|net|network|backbone|encoder|_orig_mod)\./;

/** Tensors that can be read, and copied in their stored form. */
export type TensorFile = TensorSource & StoredTensors;

/**
 * Removes the wrapper prefix that all names share, such as `module.`.
 *
 * @returns the same object when there is none
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
  if (first === undefined) throw new ConversionError('the file has no tensors');
  let prefix = '';
  for (;;) {
    const next = WRAPPER.exec(first.slice(prefix.length))?.[0];
    if (next === undefined || !names.every((name) => name.startsWith(prefix + next))) return prefix;
    prefix += next;
  }
}
