/** The pipe among the decoding process's `stdio` that carries pixels: one byte for the channels, 3 or 4, then rows. */
export const HEIC_PIXELS_FD = 5;

/** What libheif may take in a decoding process: a photo of 48 million pixels takes 400 MB with the process. */
export const HEIC_MAX_MEMORY_MB = 1024;

/** A file to decode, and the size of its upright primary image. */
export interface HeicTask {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Message from the process instead of pixels. */
export interface HeicFault {
  readonly reason: string;
  /** Whether the file may be whole, but is of a kind that libheif does not decode. */
  readonly unsupported: boolean;
}
