import { croppedPart, padded, type ResizeRecipe, resizedTo } from '../../image/crop.ts';
import { type Kernel, resample } from '../../image/resample.ts';
import { h } from '../dom.ts';

/** How an image becomes the input of a model. */
export interface PixelRecipe extends ResizeRecipe {
  readonly kernel: Kernel;
}

const canvas = h('canvas');

/** The input pixels of an image, equal to those of the server except for rounding. */
export function pixelsOf(picture: ImageBitmap | HTMLVideoElement, recipe: PixelRecipe): Uint8Array {
  const size = picture instanceof ImageBitmap ? picture : { width: picture.videoWidth, height: picture.videoHeight };
  const resized = resizedTo(size, recipe);
  const { seen, width, height } = resized;
  canvas.width = seen.width;
  canvas.height = seen.height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('This browser does not support 2D canvases.');
  // Transparent pixels become white.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, seen.width, seen.height);
  context.drawImage(picture, -seen.left, -seen.top);
  const { data } = context.getImageData(0, 0, seen.width, seen.height);
  const part = croppedPart(resized);
  const photo = { pixels: rgbOf(data), width: seen.width, height: seen.height };
  const pixels = resample(photo, width, height, part, recipe.kernel);
  return padded({ ...part, pixels }, resized, recipe.padColor);
}

function rgbOf(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] ?? 0;
    rgb[to + 1] = rgba[from + 1] ?? 0;
    rgb[to + 2] = rgba[from + 2] ?? 0;
  }
  return rgb;
}
