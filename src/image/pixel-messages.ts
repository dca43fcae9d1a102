import type { Resize } from './fast-resample.ts';
import type { Shrink } from './jpeg/planes.ts';
import type { RgbImage } from './resample.ts';

/** Message to a thread, which answers each with a `PixelReply`, in their order. */
export type PixelTask =
  | { readonly type: 'decode'; readonly file: Uint8Array }
  | { readonly type: 'resize'; readonly file: Uint8Array; readonly shrink: Shrink; readonly resize: Resize }
  | { readonly type: 'resample'; readonly source: RgbImage; readonly resize: Resize };

/** A whole image, or the pixels of the part that was asked for. */
export type PixelValue = RgbImage | Uint8Array;

/** Without a value and a fault, the JPEG is not taken. */
export interface PixelReply {
  readonly value?: PixelValue;
  readonly fault?: string;
}
