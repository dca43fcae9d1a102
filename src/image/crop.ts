import type { Kernel, RgbImage, Window } from './resample.ts';

/** Which part of a photo a model sees, in which shape and how large. The page does the same arithmetic. */
export interface ResizeRecipe {
  /** Height and width in pixels. */
  readonly inputSize: readonly [height: number, width: number];
  /**
   * How a photo of another shape is fitted. `crop` keeps its proportions: the shorter side is resized, and the middle
   * is cropped. `stretch` resizes both sides, whatever the proportions. `pad` keeps the proportions: the longer side is
   * resized, and the rest of the input is filled with `padColor`.
   */
  readonly resizeMode: 'crop' | 'stretch' | 'pad';
  /** Red, green and blue, 0..255, of what `pad` adds; black when absent. */
  readonly padColor?: readonly number[] | undefined;
  /** The input is the middle of an image that is resized to the input size divided by this, in (0, 1]. */
  readonly cropPct: number;
}

export const ICC_MODES = ['ignore', 'convert'] as const;

/**
 * Whether colour profiles in files are ignored, as by the loaders that most networks were trained with, or the colours
 * converted from them to sRGB. Photos of phones have such profiles (Display P3): ignored, their colours are duller.
 */
export type IccMode = (typeof ICC_MODES)[number];

/** How a photo becomes a model's pixels, in timm's terms. Mean and std are not part of it: the graph applies them. */
export interface Preprocessing extends ResizeRecipe {
  readonly interpolation: Kernel | 'nearest';
  /** What is done with embedded colour profiles; `ignore` when absent. */
  readonly icc?: IccMode | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Longer images are first cut to this many times their shorter side in mode `crop`, which shows nothing of the rest.
 */
const MAX_ASPECT = 8;

/** How a photo is resized for a model. */
export interface Resized {
  /** The part of the upright photo that is resized. */
  readonly seen: Window;
  /** The size that it is resized to. */
  readonly width: number;
  readonly height: number;
  /** The model's input in the resized image. In mode `pad` it extends beyond the image. */
  readonly crop: Window;
}

/** Below this, what is missing to a whole pixel is the rounding error of a quotient such as 224 / (224 / 235). */
const ROUNDING_ERROR = 1e-6;

/**
 * Rounds as timm and torchvision do, since a crop that is moved by one pixel can change a score by several percent: the
 * sides that the input is cropped from and the longer side of a crop are rounded down, the corner of a crop to the
 * nearest whole number, of two the even one.
 */
export function resizedTo(image: Size, { inputSize, resizeMode, cropPct }: ResizeRecipe): Resized {
  const [height, width] = inputSize;
  const seen = middle(image, resizeMode === 'crop' ? MAX_ASPECT : Number.POSITIVE_INFINITY);
  const whole = (side: number): number => Math.floor(side / cropPct + ROUNDING_ERROR);
  const size = fitted(seen, { width: whole(width), height: whole(height) }, resizeMode);
  return { seen, ...size, crop: { left: corner(size.width, width), top: corner(size.height, height), width, height } };
}

/** The size of an image that fills `target` (`crop`), has its size (`stretch`) or fits into it (`pad`). */
function fitted(image: Size, target: Size, mode: ResizeRecipe['resizeMode']): Size {
  if (mode === 'stretch') return target;
  const isWider = image.width * target.height > target.width * image.height;
  const round = mode === 'pad' ? Math.round : (side: number) => Math.floor(side + ROUNDING_ERROR);
  const atLeastOne = (side: number): number => Math.max(1, round(side));
  return isWider === (mode === 'pad')
    ? { width: target.width, height: atLeastOne((target.width * image.height) / image.width) }
    : { width: atLeastOne((target.height * image.width) / image.height), height: target.height };
}

/** Where a crop begins; negative when the side is padded. */
function corner(side: number, input: number): number {
  const half = (side - input) / 2;
  return half < 0 || Number.isInteger(half) ? Math.trunc(half) : 2 * Math.round(half / 2);
}

/** The part of the resized image that the model sees: the crop, without what is padded. */
export function croppedPart({ width, height, crop }: Resized): Window {
  const left = Math.max(0, crop.left);
  const top = Math.max(0, crop.top);
  return {
    left,
    top,
    width: Math.min(width, crop.left + crop.width) - left,
    height: Math.min(height, crop.top + crop.height) - top,
  };
}

/** The model's input: `part`, which is the `croppedPart`, with `color` around it where the crop extends beyond it. */
export function padded(part: RgbImage, { crop }: Resized, color: ResizeRecipe['padColor'] = [0, 0, 0]): Uint8Array {
  if (part.width === crop.width && part.height === crop.height) return part.pixels;
  const pixels = new Uint8Array(crop.height * crop.width * 3);
  for (let at = 0; at < pixels.length; at += 3) pixels.set(color, at);
  const [left, top] = [Math.max(0, -crop.left), Math.max(0, -crop.top)];
  for (let row = 0; row < part.height; row += 1) {
    const line = part.pixels.subarray(row * part.width * 3, (row + 1) * part.width * 3);
    pixels.set(line, ((top + row) * crop.width + left) * 3);
  }
  return pixels;
}

/**
 * The part of an upright photo of this size that the model's input shows, in pixels of the photo; not rounded. In mode
 * `pad` it extends beyond the photo.
 */
export function modelCrop(photo: Size, recipe: ResizeRecipe): Window {
  const { seen, width, height, crop } = resizedTo(photo, recipe);
  const [across, down] = [seen.width / width, seen.height / height];
  return {
    left: seen.left + crop.left * across,
    top: seen.top + crop.top * down,
    width: crop.width * across,
    height: crop.height * down,
  };
}

/** The middle part of an upright image, no longer than `aspect` times its shorter side. */
function middle({ width, height }: Size, aspect: number): Window {
  const keep = (side: number, other: number): number => {
    const excess = side - other * aspect;
    // As many pixels are cut off at one end as at the other.
    return excess > 0 ? side - 2 * Math.floor(excess / 2) : side;
  };
  const kept = { width: keep(width, height), height: keep(height, width) };
  return { left: (width - kept.width) / 2, top: (height - kept.height) / 2, ...kept };
}
