import type { Entry, ZipFile } from 'yauzl';
import { openZip } from '../../../common/open-zip.ts';
import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { unpickle } from './pickle.ts';
import { type SavedObject, storageHost } from './saved-object.ts';
import type { Storage } from './tensor-view.ts';

/** Each storage is an entry; there are few others. */
const MAX_ENTRIES = 100_000;
/** The pickle has names and shapes, a few hundred bytes per tensor. */
const MAX_PICKLE_BYTES = 64_000_000;
const STORED = 0;

/**
 * Reads the form of PyTorch since 1.6: an uncompressed zip of `<name>/data.pkl`, the storages `<name>/data/<key>`
 * and, in newer files, `<name>/byteorder`.
 */
export async function readZipForm(bytes: ByteSource): Promise<SavedObject> {
  const zip = await opened(bytes);
  try {
    const entries = await listed(zip);
    const prefix = expectOnePickle([...entries.keys()]);
    const read = async (name: string, most: number) => {
      const { begin, length } = await rangeOf(zip, entries, `${prefix}${name}`);
      if (length > most) throw new ConversionError(`"${name}" has ${length} bytes; at most ${most} are allowed`);
      return await bytes.read(begin, begin + length);
    };
    if (entries.has(`${prefix}byteorder`)) expectLittleEndian(await read('byteorder', 100));
    const pickle = await read('data.pkl', MAX_PICKLE_BYTES);
    const host = storageHost();
    const { value } = unpickle(pickle, 0, host);
    const storageBegins = new Map<string, number>();
    for (const storage of host.storages.values()) {
      storageBegins.set(storage.key, await storageBegin(zip, entries, `${prefix}data/${storage.key}`, storage));
    }
    return { object: value, storageBegins };
  } finally {
    zip.close();
  }
}

async function opened(bytes: ByteSource): Promise<ZipFile> {
  try {
    return await openZip(bytes, { autoClose: false });
  } catch (cause) {
    throw new ConversionError('the zip cannot be read; it may be cut off', { cause });
  }
}

async function listed(zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES) {
    throw new ConversionError(`the zip has ${zip.entryCount} entries; at most ${MAX_ENTRIES} are allowed`);
  }
  const entries = new Map<string, Entry>();
  try {
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
  } catch (cause) {
    throw new ConversionError('the directory of the zip is damaged', { cause });
  }
  return entries;
}

/** The path before `data.pkl`. */
function expectOnePickle(names: readonly string[]): string {
  const prefixes = names.flatMap((name) => /^((?:[^/]+\/)?)data\.pkl$/.exec(name)?.[1] ?? []);
  const [prefix] = prefixes;
  if (prefix === undefined || prefixes.length > 1) {
    throw new ConversionError(`the zip has ${prefixes.length} files named data.pkl; a PyTorch checkpoint has one`);
  }
  if (names.includes(`${prefix}constants.pkl`)) {
    throw new ConversionError('the file is a TorchScript model: save the state_dict() of the original model');
  }
  return prefix;
}

function expectLittleEndian(order: Uint8Array): void {
  const text = Buffer.from(order).toString('latin1').trim();
  if (text !== 'little') throw new ConversionError(`the byte order is "${text}"; only "little" is supported`);
}

async function storageBegin(
  zip: ZipFile,
  entries: ReadonlyMap<string, Entry>,
  name: string,
  storage: Storage,
): Promise<number> {
  const { begin, length } = await rangeOf(zip, entries, name);
  if (length === storage.byteLength) return begin;
  throw new ConversionError(
    `"${name}" has ${length} bytes, but ${storage.length} elements of ${storage.dtype} need ${storage.byteLength}`,
  );
}

async function rangeOf(
  zip: ZipFile,
  entries: ReadonlyMap<string, Entry>,
  name: string,
): Promise<{ begin: number; length: number }> {
  const entry = entries.get(name);
  if (entry === undefined) throw new ConversionError(`"${name}" is missing from the zip`);
  if (entry.compressionMethod !== STORED || entry.isEncrypted()) {
    throw new ConversionError(`"${name}" is compressed or encrypted; PyTorch writes it without compression`);
  }
  try {
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    return { begin: fileDataStart, length: entry.uncompressedSize };
  } catch (cause) {
    throw new ConversionError(`"${name}" is not at its position in the zip`, { cause });
  }
}
