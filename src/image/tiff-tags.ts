/** What the first directory of a TIFF says of its image (TIFF 6.0; BigTIFF; TIFF/EP and DNG for raw photos). */
export interface TiffTags {
  /** Tag 259; 1 without compression, which is the default. */
  readonly compression: number;
  /** Tag 262: how samples are colours. */
  readonly photometric: number | undefined;
  /** Tag 277: samples of a pixel. */
  readonly samples: number;
  /** Tag 338: the kind of the first sample beyond the colours; 0 says that it is not alpha. */
  readonly extraSample: number | undefined;
  /** Whether it is a copy of an image in other directories, as in raw photos (tags 254 and 330, or Canon's mark). */
  readonly isPreview: boolean;
}

const [BYTE, SHORT, LONG] = [1, 3, 4];
/** More entries than any file has. */
const MAX_ENTRIES = 4096;

/** Reads the tags; undefined when the bytes are no TIFF, or end before its first directory does. */
export function readTiffTags(file: Uint8Array): TiffTags | undefined {
  try {
    const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
    if (!/^(?:II[*+]\0|MM\0[*+])$/.test(bytes.toString('latin1', 0, 4))) return undefined;
    const values = firstValues(bytes);
    return {
      compression: values.get(259) ?? 1,
      photometric: values.get(262),
      samples: values.get(277) ?? 1,
      extraSample: values.get(338),
      isPreview: (((values.get(254) ?? 0) & 1) === 1 && values.has(330)) || bytes.toString('latin1', 8, 10) === 'CR',
    };
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}

/** The first value of each entry; 0 where it is no whole number. @throws RangeError */
function firstValues(bytes: Buffer): Map<number, number> {
  const little = bytes[0] === 0x49;
  const u16 = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const u64 = (at: number) => Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
  const isBig = bytes[little ? 2 : 3] === 43;
  const directory = isBig ? u64(8) : u32(4);
  const [count, start, entryBytes, valueAt] = isBig
    ? [u64(directory), directory + 8, 20, 12]
    : [u16(directory), directory + 2, 12, 8];
  const values = new Map<number, number>();
  for (let index = 0; index < Math.min(count, MAX_ENTRIES); index += 1) {
    const entry = start + index * entryBytes;
    const [tag, type, items] = [u16(entry), u16(entry + 2), isBig ? u64(entry + 4) : u32(entry + 4)];
    // Values that do not fit into the entry are elsewhere. Of those that are read here, these are shorts.
    const fits = items * (type === SHORT ? 2 : 4) <= (isBig ? 8 : 4);
    const at = fits || type !== SHORT ? entry + valueAt : isBig ? u64(entry + valueAt) : u32(entry + valueAt);
    const readers = new Map([
      [BYTE, () => bytes.readUInt8(at)],
      [SHORT, () => u16(at)],
      [LONG, () => u32(at)],
    ]);
    values.set(tag, readers.get(type)?.() ?? 0);
  }
  return values;
}
