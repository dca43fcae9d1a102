import type { LabelledFile } from './dataset-layout.ts';
import type { Split } from './split-names.ts';

/** Facts about an image that decoding shows. */
export interface ImageFacts {
  readonly width: number;
  readonly height: number;
  /** SHA-256 of size and upright 8-bit RGB pixels, in hex: equal for copies in any lossless format. */
  readonly pixelDigest: string;
  /** Difference hash of 128 bits in 32 hex digits: few bits differ between images that look alike. */
  readonly differenceHash: string;
  /** Whether it is a JPEG that lacks its end marker only. */
  readonly withoutEnd: boolean;
}

/** A labelled image that can be read. */
export interface InspectedImage extends LabelledFile, ImageFacts {
  /** SHA-256 of the file's bytes, in hex. */
  readonly digest: string;
}

/** A labelled image that cannot be read. */
export interface UnreadableImage {
  readonly file: string;
  readonly label: string;
  /** Code of the error. */
  readonly code: string;
  readonly reason: string;
}

/** An image that will be used, with its split. */
export interface DatasetImage extends InspectedImage {
  readonly split: Split;
  /** Position of the label among the classes. */
  readonly classIndex: number;
}
