import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { type PickleHost, unpickle } from './pickle.ts';
import { PickleEndsEarly } from './pickle-input.ts';
import { type SavedObject, storageHost } from './saved-object.ts';
import { shown } from './shown.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** The pickles are that long together; a large network's take less than the first of these. */
const FIRST_WINDOW_BYTES = 1_000_000;
const MAX_WINDOW_BYTES = 64_000_000;
/** Before each storage stands how many elements it has. */
const LENGTH_BYTES = 8;

/** The four pickles before the storages' own list have nothing but plain values in them. */
const PLAIN: PickleHost = {
  global: (module, name) => {
    throw new ConversionError(`it begins with the Python object "${module}.${name}"`);
  },
  call: () => undefined,
  build: () => {},
  persistent: () => undefined,
};

/** Whether a file begins as this form does: with a pickle of the magic number. */
export function isStreamForm(start: Uint8Array): boolean {
  try {
    return unpickle(start, 0, PLAIN).value === MAGIC;
  } catch {
    return false;
  }
}

/**
 * PyTorch's form before 1.6: pickles one after another, of the magic number, the protocol, the machine, the object and
 * the list of its storages' keys; then the storages in the list's order.
 */
export async function readStreamForm(bytes: ByteSource): Promise<SavedObject> {
  const { object, keys, storages, end } = await readPickles(bytes);
  const storageBegins = new Map<string, number>();
  let position = end;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined) throw new ConversionError(`storage "${shown(key)}" is of no tensor`);
    const length = Buffer.from(await bytes.read(position, position + LENGTH_BYTES)).readBigInt64LE();
    if (length !== BigInt(storage.length)) {
      throw new ConversionError(
        `storage "${storage.key}" has ${length} elements; its tensors were told ${storage.length}`,
      );
    }
    storageBegins.set(storage.key, position + LENGTH_BYTES);
    position += LENGTH_BYTES + storage.byteLength;
    if (position > bytes.size) {
      throw new ConversionError(`the file ends at byte ${bytes.size}, within storage "${storage.key}"`);
    }
  }
  const lost = [...storages.keys()].find((key) => !storageBegins.has(key));
  if (lost !== undefined) throw new ConversionError(`storage "${lost}" is missing from the file`);
  return { object, storageBegins };
}

/** Nothing says how long the pickles are: they are read again in a longer window until they fit into it. */
async function readPickles(bytes: ByteSource): Promise<ReturnType<typeof parsePickles>> {
  for (let length = FIRST_WINDOW_BYTES; ; length *= 4) {
    const window = await bytes.read(0, Math.min(length, bytes.size));
    try {
      return parsePickles(window);
    } catch (error) {
      if (!(error instanceof PickleEndsEarly) || window.length === bytes.size) throw error;
      if (length >= MAX_WINDOW_BYTES) throw new ConversionError(`its pickles take more than ${MAX_WINDOW_BYTES} bytes`);
    }
  }
}

function parsePickles(window: Uint8Array) {
  const magic = unpickle(window, 0, PLAIN);
  const protocol = unpickle(window, magic.end, PLAIN);
  if (protocol.value !== PROTOCOL)
    throw new ConversionError(`its protocol is ${shown(protocol.value)}, not ${PROTOCOL}`);
  const machine = unpickle(window, protocol.end, PLAIN);
  if (!(machine.value instanceof Map) || machine.value.get('little_endian') !== true) {
    throw new ConversionError('it was not written on a little-endian machine');
  }
  const host = storageHost();
  const object = unpickle(window, machine.end, host);
  const keys = unpickle(window, object.end, PLAIN);
  if (!Array.isArray(keys.value)) throw new ConversionError('the list of its storages is none');
  const list: readonly unknown[] = keys.value;
  return { object: object.value, keys: list, storages: host.storages, end: keys.end };
}
