import type { FetchOptions } from './hub.ts';

/** How far a download is. */
export interface DownloadProgress {
  readonly phase: 'download' | 'verify';
  /** Bytes done. */
  readonly done: number;
  /** Bytes in all; undefined until they are known. */
  readonly total: number | undefined;
}

/** A file to download. */
export interface DownloadRequest extends Omit<FetchOptions, 'headers'> {
  readonly url: URL;
  /** The path of the file, where it appears whole and verified. The folder must exist. */
  readonly target: string;
  /** The digest of the file. When undefined, the host must publish one: in a header or as `<url>.sha256`. */
  readonly sha256: string | undefined;
  /** The size in bytes, of the file or of its beginning. */
  readonly size: number | undefined;
  /** Download only the first `size` bytes; `sha256` is their digest. */
  readonly prefix: boolean;
  /** The wait before the second attempt, in milliseconds; it doubles with each further one. */
  readonly backoffMs: number;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/** A verified file. */
export interface Downloaded {
  readonly sha256: string;
  readonly size: number;
}
