/*
 * Reads only the slices of the zip that are needed, so that a zip of gigabytes costs no memory. The libraries for
 * browsers read either the whole zip into memory or all entries in order.
 */

/** A file in a zip. */
export interface ZipEntry {
  readonly name: string;
  /** Unpacked size in bytes. */
  readonly size: number;
  /** Unpacks the file. */
  readonly read: () => Promise<Blob>;
}

const CENTRAL_HEADER = 0x02014b50;
const END_OF_DIRECTORY = 0x06054b50;
const END_SIZE = 22;
const CENTRAL_SIZE = 46;
const LOCAL_SIZE = 30;
/** Bytes of the longest comment behind the end record. */
const MAX_COMMENT = 65_535;
/** Larger zips have these values in the end record, and the true ones in a zip64 record. */
const ZIP64_COUNT = 0xffff;
const ZIP64_OFFSET = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;

/** Lists the files of a zip. @throws Error when it is not a zip, damaged, or larger than the plain format allows */
export async function readZip(zip: Blob): Promise<ZipEntry[]> {
  const end = await endOfDirectory(zip);
  const count = end.getUint16(10, true);
  const start = end.getUint32(16, true);
  if (count === ZIP64_COUNT || start === ZIP64_OFFSET)
    throw new Error('The page cannot read zips of the zip64 format.');
  const directory = await viewOf(zip, start, start + end.getUint32(12, true));
  const files: ZipEntry[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + CENTRAL_SIZE > directory.byteLength || directory.getUint32(at, true) !== CENTRAL_HEADER) throw damaged();
    const nameSize = directory.getUint16(at + 28, true);
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, at + CENTRAL_SIZE, nameSize));
    const entry = {
      method: directory.getUint16(at + 10, true),
      packed: directory.getUint32(at + 20, true),
      offset: directory.getUint32(at + 42, true),
    };
    const size = directory.getUint32(at + 24, true);
    if (!name.endsWith('/')) files.push({ name, size, read: () => unpack(zip, entry) });
    at += CENTRAL_SIZE + nameSize + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
  }
  return files;
}

async function unpack(
  zip: Blob,
  { method, packed, offset }: { method: number; packed: number; offset: number },
): Promise<Blob> {
  const local = await viewOf(zip, offset, offset + LOCAL_SIZE);
  const start = offset + LOCAL_SIZE + local.getUint16(26, true) + local.getUint16(28, true);
  const content = zip.slice(start, start + packed);
  if (method === STORED) return content;
  if (method !== DEFLATED)
    throw new Error('The page does not support the compression of this zip. Make it again with the usual one.');
  return new Response(content.stream().pipeThrough(new DecompressionStream('deflate-raw'))).blob();
}

async function endOfDirectory(zip: Blob): Promise<DataView> {
  const tail = await viewOf(zip, Math.max(0, zip.size - END_SIZE - MAX_COMMENT), zip.size);
  for (let at = tail.byteLength - END_SIZE; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) === END_OF_DIRECTORY) return new DataView(tail.buffer, at, END_SIZE);
  }
  throw damaged();
}

async function viewOf(zip: Blob, from: number, to: number): Promise<DataView> {
  return new DataView(await zip.slice(from, to).arrayBuffer());
}

function damaged(): Error {
  return new Error('The file is not a zip, or it is damaged. Make it again.');
}
