/** A kind of file that its first bytes show. */
interface FileKind {
  /** In a sentence after "the file is". */
  readonly words: string;
  readonly test: (start: string) => boolean;
}

/** Bytes that are enough to see the kind of a file: a tar has its mark at 257. */
export const KIND_BYTES = 512;

const begins = (words: string, ...starts: readonly string[]): FileKind => ({
  words,
  test: (start) => starts.some((each) => start.startsWith(each)),
});

/** https://www.iana.org/assignments/media-types, and https://en.wikipedia.org/wiki/List_of_file_signatures */
const ARCHIVES: readonly FileKind[] = [
  begins('a RAR archive', 'Rar!\x1a\x07'),
  begins('a 7-Zip archive', '7z\xbc\xaf\x27\x1c'),
  begins('a gzip archive, such as a .tar.gz', '\x1f\x8b'),
  begins('a bzip2 archive', 'BZh'),
  begins('an xz archive', '\xfd7zXZ\0'),
  begins('a Zstandard archive', '\x28\xb5\x2f\xfd'),
  { words: 'a tar archive', test: (start) => start.slice(257, 262) === 'ustar' },
];
const OTHERS: readonly FileKind[] = [
  begins('a zip archive', 'PK\x03\x04', 'PK\x05\x06'),
  begins('a PDF', '%PDF'),
  begins('an HDF5 file, such as a .h5 of Keras', '\x89HDF\r\n\x1a\n'),
  begins('a NumPy array', '\x93NUMPY'),
  begins('a Parquet table', 'PAR1'),
  begins('a pointer of Git LFS instead of the file: fetch it with "git lfs pull"', 'version https://git-lfs'),
  { words: 'a TensorFlow Lite model', test: (start) => start.slice(4, 8) === 'TFL3' },
  { words: 'an HTML page', test: (start) => /^\s*<(?:!doctype html|html)/i.test(start) },
  { words: 'text', test: (start) => /^[\t\n\r\x20-\x7e]+$/.test(start) },
];

/** What a file is by its bytes. */
export interface SniffedKind {
  readonly kind: 'archive' | 'other';
  /** In a sentence after "the file is". */
  readonly words: string;
}

/**
 * The kind of a file that is no image, by its first `KIND_BYTES`, whatever its name.
 * @returns undefined when they show none
 */
export function sniffKind(bytes: Uint8Array): SniffedKind | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, KIND_BYTES)).toString('latin1');
  const of = (kind: SniffedKind['kind'], kinds: readonly FileKind[]) =>
    kinds.flatMap(({ words, test }) => (test(start) ? [{ kind, words }] : []));
  return [...of('archive', ARCHIVES), ...of('other', OTHERS)][0];
}
