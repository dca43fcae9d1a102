import { createWriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Entry, ZipFile } from 'yauzl';
import { z } from 'zod';
import { messageOf } from '../../../common/errors.ts';
import { fileBytes, openZip } from '../../../common/open-zip.ts';
import { ConversionError } from '../../conversion-error.ts';

/** The description of a thousand layers has a few megabytes. */
const MAX_TEXT_BYTES = 64_000_000;
/** A model may have assets beside its three files. */
const MAX_ENTRIES = 10_000;
/** The largest networks take two gigabytes. Keras does not compress them, and weights are hardly compressible. */
const MAX_WEIGHT_BYTES = 8e9;
const MAX_COMPRESSION = 16;
const [CONFIG, METADATA, WEIGHTS] = ['config.json', 'metadata.json', 'model.weights.h5'];

const metadataSchema = z.object({ keras_version: z.string() });

/**
 * Reads the description of the layers in a `.keras` file, which is a zip, and unpacks its weights.
 *
 * @param handle of the `.keras` file
 * @param weights path of the HDF5 file to write
 * @returns the topology of the model, as `parseTopology` reads it
 * @throws ConversionError when it is another zip or damaged
 */
export async function unpackKerasArchive(handle: FileHandle, weights: string): Promise<object> {
  try {
    const zip = await openZip(await fileBytes(handle), { autoClose: false });
    const entries = await entriesOf(zip);
    const [config, metadata, stored] = [CONFIG, METADATA, WEIGHTS].map((name) => entries.get(name ?? ''));
    if (config === undefined || stored === undefined) {
      const names = [...entries.keys()].slice(0, 5).join(', ');
      throw new ConversionError(`the zip holds ${names}; a model of Keras holds ${CONFIG} and ${WEIGHTS}`);
    }
    const written = metadataSchema.safeParse(metadata && (await jsonOf(zip, metadata)));
    const topology = {
      keras_version: written.success ? written.data.keras_version : '3.0',
      model_config: await jsonOf(zip, config),
    };
    await unpack(zip, stored, weights);
    return topology;
  } catch (cause) {
    if (cause instanceof ConversionError) throw cause;
    throw new ConversionError(`the zip cannot be read; it may be damaged or cut off: ${messageOf(cause)}`, { cause });
  }
}

async function entriesOf(zip: ZipFile): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    entries.set(entry.fileName, entry);
    if (entries.size > MAX_ENTRIES) throw new ConversionError(`the zip has more than ${MAX_ENTRIES} files`);
  }
  return entries;
}

async function jsonOf(zip: ZipFile, entry: Entry): Promise<unknown> {
  const { fileName, uncompressedSize: size } = entry;
  if (size > MAX_TEXT_BYTES) {
    throw new ConversionError(`${fileName} has ${size} bytes; at most ${MAX_TEXT_BYTES} are allowed`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Uint8Array);
  return parsedJson(Buffer.concat(chunks).toString('utf8'), fileName);
}

async function unpack(zip: ZipFile, entry: Entry, path: string): Promise<void> {
  const { uncompressedSize: size, compressedSize } = entry;
  if (size > MAX_WEIGHT_BYTES || size > MAX_COMPRESSION * compressedSize) {
    throw new ConversionError(`${entry.fileName} claims ${size} bytes, compressed to ${compressedSize}`);
  }
  await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path, { flags: 'wx' }));
}

/** @param what the text, for errors */
export function parsedJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConversionError(`${what} is not JSON: ${messageOf(cause)}`, { cause });
  }
}
