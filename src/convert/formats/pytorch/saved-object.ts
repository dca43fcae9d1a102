import { ConversionError } from '../../conversion-error.ts';
import { buildPython, callPython, pythonGlobal, StorageType } from './globals.ts';
import type { PickleHost } from './pickle.ts';
import { shown } from './shown.ts';
import { Storage } from './tensor-view.ts';

/** What `torch.save` was given, and where its storages begin in the file, by key. */
export interface SavedObject {
  readonly object: unknown;
  readonly storageBegins: ReadonlyMap<string, number>;
}

/** A pickle that names its storages, and those that it has named so far: the whole ones, not views of them. */
export interface StorageHost extends PickleHost {
  readonly storages: ReadonlyMap<string, Storage>;
}

/** Tensors with their values elsewhere, and nothing else than plain containers. */
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
          `storage "${storage.key}" is of ${known.byteLength} bytes, and of ${storage.byteLength}`,
        );
      }
      storages.set(storage.key, known ?? storage);
      return storage;
    },
    storages,
  };
}

/** `('storage', type, key, device, elements)`, in older files with a sixth, the part that this one is of another. */
function parseStorage(id: unknown): Storage {
  const [kind, type, key, , length, part = null] = Array.isArray(id) ? id : [];
  if (kind !== 'storage') throw new ConversionError(`it refers to ${shown(kind)} outside of it, not to a storage`);
  if (!(type instanceof StorageType)) throw new ConversionError(`the type of storage "${shown(key)}" is not known`);
  if (typeof key !== 'string' || typeof length !== 'number' || !(Number.isSafeInteger(length) && length >= 0)) {
    throw new ConversionError(`storage "${shown(key)}" has ${shown(length)} elements`);
  }
  if (part !== null) throw new ConversionError(`storage "${key}" is a part of another: save it with a newer PyTorch`);
  return new Storage(key, type.dtype, length);
}
