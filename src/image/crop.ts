import type { Kernel, Window } from './resample.ts';

/** Which part of a photo a model sees, and how large. The page does the same arithmetic. */
export interface CropRecipe {
  /** Height and width in pixels. */
  readonly inputSize: readonly [height: number, width: number];
  /** The crop's share of the resized image's shorter side, in (0, 1]. */
  readonly cropPct: number;
}

/** How a photo becomes a model's pixels, in timm's terms. Mean and std are not part of it: the graph applies them. */
export interface Preprocessing extends CropRecipe {
  readonly interpolation: Kernel | 'nearest';
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Longer images are first cut to this many times their shorter side; the rest never reaches the crop. */
export const MAX_ASPECT = 8;

/** The size that an image is resized to, and the crop of it that is the model's input. */
export interface Resized {
  readonly scale: number;
  readonly width: number;
  readonly height: number;
  readonly crop: Window;
}

/**
 * Rounds both sides to whole pixels, and the crop's corner down, as in the measurements of the embedded models.
 * (torchvision rounds the longer side down and the corner to the nearest even number, which moves a photo by less than
 * a pixel.)
 */
export function resizedTo(image: Size, { inputSize, cropPct }: CropRecipe): Resized {
  const [height, width] = inputSize;
  const toWidth = Math.round(width / cropPct);
  const toHeight = Math.round(height / cropPct);
  const byWidth = toWidth * image.height >= toHeight * image.width;
  const size = byWidth
    ? { width: toWidth, height: Math.round((toWidth * image.height) / image.width) }
    : { width: Math.round((toHeight * image.width) / image.height), height: toHeight };
  return {
    ...size,
    scale: byWidth ? toWidth / image.width : toHeight / image.height,
    crop: { left: (size.width - width) >> 1, top: (size.height - height) >> 1, width, height },
  };
}

/** The middle part of an upright image, no longer than `aspect` times its shorter side. */
export function middle({ width, height }: Size, aspect: number): Window {
  const keep = (side: number, other: number): number => {
    const excess = side - other * aspect;
    // As many pixels are cut off at one end as at the other.
    return excess > 0 ? side - 2 * Math.floor(excess / 2) : side;
  };
  const kept = { width: keep(width, height), height: keep(height, width) };
  return { left: (width - kept.width) / 2, top: (height - kept.height) / 2, ...kept };
}
