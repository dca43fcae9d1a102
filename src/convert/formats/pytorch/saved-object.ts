import { ConversionError } from '../../conversion-error.ts';
import { buildPython, callPython, pythonGlobal, StorageType } from './globals.ts';
import { type PickleHost, shown } from './pickle-machine.ts';
import { Storage } from './tensor-view.ts';

/** The argument of `torch.save`, and the byte offsets of its storages in the file, by key. */
export interface SavedObject {
  readonly object: unknown;
  readonly storageBegins: ReadonlyMap<string, number>;
}

/** A host that collects the storages that a pickle refers to. */
export interface StorageHost extends PickleHost {
  readonly storages: ReadonlyMap<string, Storage>;
}

/** A host that allows only tensors, whose values are outside the pickle, and plain containers. */
export function storageHost(): StorageHost {
  const storages = new Map<string, Storage>();
  return {
    global: pythonGlobal,
    call: callPython,
    build: buildPython,
    persistent: (id) => {
      const storage = parseStorage(id);
      const known = storages.get(storage.key);
      if (known !== undefined && known.byteLength !== storage.byteLength) {
        throw new ConversionError(
          `storage "${storage.key}" has two sizes: ${known.byteLength} and ${storage.byteLength} bytes`,
        );
      }
      storages.set(storage.key, known ?? storage);
      return storage;
    },
    storages,
  };
}

/** Parses `('storage', type, key, device, elements)`; older files have a sixth item, for a part of another storage. */
function parseStorage(id: unknown): Storage {
  const [kind, type, key, , length, part = null] = Array.isArray(id) ? id : [];
  if (kind !== 'storage')
    throw new ConversionError(`the pickle refers to ${shown(kind)} outside the pickle; only storages are supported`);
  if (!(type instanceof StorageType)) throw new ConversionError(`storage "${shown(key)}" has an unknown type`);
  if (typeof key !== 'string' || typeof length !== 'number' || !(Number.isSafeInteger(length) && length >= 0)) {
    throw new ConversionError(`storage "${shown(key)}" has ${shown(length)} elements`);
  }
  if (part !== null) throw new ConversionError(`storage "${key}" is a part of another: save it with a newer PyTorch`);
  return new Storage(key, type.dtype, length);
}
