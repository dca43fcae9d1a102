import type { CopyKey } from './augment.ts';
import type { Augmentation } from './augmentation.ts';
import type { Preprocessing } from './crop.ts';
import type { Resize } from './fast-resample.ts';
import type { Shrink } from './jpeg/planes.ts';
import type { RgbImage } from './resample.ts';
import type { TrainingSample } from './training-sample.ts';

/** The bytes of a JPEG, or its pixels. */
export type PixelSource = Uint8Array | RgbImage;

/** What a thread is given, by the kind of job. */
export interface PixelJobs {
  readonly decode: { readonly file: Uint8Array };
  readonly resize: { readonly file: Uint8Array; readonly shrink: Shrink; readonly resize: Resize };
  readonly resample: { readonly source: RgbImage; readonly resize: Resize };
  readonly sample: { readonly source: PixelSource; readonly recipe: Preprocessing; readonly forCopies: boolean };
  readonly copies: {
    readonly source: PixelSource;
    readonly recipe: Preprocessing;
    readonly augmentation: Augmentation;
    readonly keys: readonly CopyKey[];
  };
}

/** What it answers: a whole image, the pixels of the part that was asked for, ... */
export interface PixelValues {
  readonly decode: RgbImage;
  readonly resize: Uint8Array;
  readonly resample: Uint8Array;
  readonly sample: TrainingSample;
  readonly copies: readonly Uint8Array[];
}

export type PixelJobKind = keyof PixelJobs;

/** Message to a thread, which answers each with a `PixelReply`, in their order. */
export type PixelTask = { [Kind in PixelJobKind]: { readonly type: Kind } & PixelJobs[Kind] }[PixelJobKind];

/** Without a value and a fault, the JPEG is not taken. */
export interface PixelReply {
  readonly value?: PixelValues[PixelJobKind];
  readonly fault?: string;
}
