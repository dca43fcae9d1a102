import type { FetchOptions } from './hub.ts';

/** How far a download is. */
export interface DownloadProgress {
  readonly phase: 'download' | 'verify';
  /** Bytes. */
  readonly done: number;
  /** Bytes; undefined as long as nobody said. */
  readonly total: number | undefined;
}

/** A file to fetch. */
export interface DownloadRequest extends Omit<FetchOptions, 'headers'> {
  readonly url: URL;
  /** Where it will be, whole and verified; the folder exists. */
  readonly target: string;
  /** What the file must be. Without a digest the host must publish one: in a header, or in `<url>.sha256`. */
  readonly sha256: string | undefined;
  /** Its bytes; with `prefix`, those of its beginning that are wanted. */
  readonly size: number | undefined;
  /** Only the first `size` bytes are fetched, and they are what has the digest. */
  readonly prefix: boolean;
  /** The first wait between two tries, in milliseconds; each further one is twice as long. */
  readonly backoffMs: number;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/** A file that is there. */
export interface Downloaded {
  readonly sha256: string;
  readonly size: number;
}
