import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { unpickle } from './pickle.ts';
import { PickleEndsEarly } from './pickle-input.ts';
import { type PickleHost, shown } from './pickle-machine.ts';
import { type SavedObject, storageHost } from './saved-object.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** Bytes that are read for the pickles at first, and at most. Those of a large network need less than the first. */
const FIRST_WINDOW_BYTES = 1_000_000;
const MAX_WINDOW_BYTES = 64_000_000;
/** Each storage is preceded by its number of elements. */
const LENGTH_BYTES = 8;

/** For pickles that hold only plain values: all but the one of the object. */
const PLAIN: PickleHost = {
  global: (module, name) => {
    throw new ConversionError(`the file begins with the Python object "${module}.${name}"`);
  },
  call: () => undefined,
  build: () => {},
  persistent: () => undefined,
};

/** Whether a file has this form: it begins with a pickle of the magic number. */
export function isStreamForm(start: Uint8Array): boolean {
  try {
    return unpickle(start, 0, PLAIN).value === MAGIC;
  } catch (thrown) {
    if (thrown instanceof ConversionError) return false;
    throw thrown;
  }
}

/**
 * Reads the form of PyTorch before 1.6: pickles of the magic number, the protocol, the machine, the object and the
 * list of storage keys, followed by the storages in the order of the list.
 */
export async function readStreamForm(bytes: ByteSource): Promise<SavedObject> {
  const { object, keys, storages, end } = await readPickles(bytes);
  const storageBegins = new Map<string, number>();
  let position = end;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined) throw new ConversionError(`no tensor uses storage "${shown(key)}"`);
    const length = Buffer.from(await bytes.read(position, position + LENGTH_BYTES)).readBigInt64LE();
    if (length !== BigInt(storage.length)) {
      throw new ConversionError(
        `storage "${storage.key}" has ${length} elements, but its tensors expect ${storage.length}`,
      );
    }
    storageBegins.set(storage.key, position + LENGTH_BYTES);
    position += LENGTH_BYTES + storage.byteLength;
    if (position > bytes.size) {
      throw new ConversionError(`the file ends at byte ${bytes.size}, inside storage "${storage.key}"`);
    }
  }
  const lost = [...storages.keys()].find((key) => !storageBegins.has(key));
  if (lost !== undefined) throw new ConversionError(`storage "${lost}" is missing from the file`);
  return { object, storageBegins };
}

/** The length of the pickles is unknown, so they are parsed again with more bytes until they are complete. */
async function readPickles(bytes: ByteSource): Promise<ReturnType<typeof parsePickles>> {
  for (let length = FIRST_WINDOW_BYTES; ; length *= 4) {
    const window = await bytes.read(0, Math.min(length, bytes.size));
    try {
      return parsePickles(window);
    } catch (error) {
      if (!(error instanceof PickleEndsEarly) || window.length === bytes.size) throw error;
      if (length >= MAX_WINDOW_BYTES)
        throw new ConversionError(`the pickles are longer than ${MAX_WINDOW_BYTES} bytes`);
    }
  }
}

function parsePickles(window: Uint8Array) {
  const magic = unpickle(window, 0, PLAIN);
  const protocol = unpickle(window, magic.end, PLAIN);
  if (protocol.value !== PROTOCOL)
    throw new ConversionError(`the protocol is ${shown(protocol.value)}, not ${PROTOCOL}`);
  const machine = unpickle(window, protocol.end, PLAIN);
  if (!(machine.value instanceof Map) || machine.value.get('little_endian') !== true) {
    throw new ConversionError('the file was not written on a little-endian machine');
  }
  const host = storageHost();
  const object = unpickle(window, machine.end, host);
  const keys = unpickle(window, object.end, PLAIN);
  if (!Array.isArray(keys.value)) throw new ConversionError('the list of storages is not a list');
  const list: readonly unknown[] = keys.value;
  return { object: object.value, keys: list, storages: host.storages, end: keys.end };
}
