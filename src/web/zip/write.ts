import { crc32 } from './crc32.ts';

/** A file to be packed. */
export interface ZipEntry {
  /** Its path in the zip, with `/` between folders. */
  readonly name: string;
  readonly content: Blob;
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_OF_DIRECTORY = 0x06054b50;
/** PKZIP 2.0. */
const VERSION = 20;
/** Names are UTF-8. */
const UTF8 = 0x0800;
/** 1 January 1980, the first day that zips know. */
const DATE = 0x0021;
/** As many as the plain format counts. */
const MAX_ENTRIES = 65_535;

/**
 * Packs files as they are: photos hardly shrink. Contents are not copied, so that the zip costs little memory.
 * @param onProgress told how many files are packed
 * @throws Error with more than 65535 files
 */
export async function writeZip(
  entries: readonly ZipEntry[],
  onProgress: (done: number) => void = () => {},
): Promise<Blob> {
  if (entries.length > MAX_ENTRIES)
    throw new Error(`A zip made here holds at most ${MAX_ENTRIES} files: make it yourself.`);
  const files: BlobPart[] = [];
  const directory: BlobPart[] = [];
  let offset = 0;
  let directorySize = 0;
  for (const [index, { name, content }] of entries.entries()) {
    const encoded = new TextEncoder().encode(name);
    const checksum = crc32(new Uint8Array(await content.arrayBuffer()));
    const common = [VERSION, UTF8, 0, 0, DATE];
    const sizes = [checksum, content.size, content.size];
    const local = fields([LOCAL_HEADER], common, sizes, [encoded.length, 0]);
    const central = fields([CENTRAL_HEADER], [VERSION, ...common], sizes, [encoded.length, 0, 0, 0, 0], [0, offset]);
    files.push(local, encoded, content);
    directory.push(central, encoded);
    offset += local.length + encoded.length + content.size;
    directorySize += central.length + encoded.length;
    onProgress(index + 1);
  }
  const end = fields([END_OF_DIRECTORY], [0, 0, entries.length, entries.length], [directorySize, offset], [0]);
  return new Blob([...files, ...directory, end], { type: 'application/zip' });
}

/** Numbers, little-endian: lists in turn of 32 and of 16 bits. */
function fields(...lists: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const size = lists.reduce((sum, list, index) => sum + list.length * (index % 2 === 0 ? 4 : 2), 0);
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  lists.forEach((list, index) => {
    for (const value of list) {
      if (index % 2 === 0) view.setUint32(at, value, true);
      else view.setUint16(at, value, true);
      at += index % 2 === 0 ? 4 : 2;
    }
  });
  return new Uint8Array(view.buffer);
}
