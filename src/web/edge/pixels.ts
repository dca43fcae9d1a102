import { type CropRecipe, MAX_ASPECT, middle, resizedTo } from '../../image/crop.ts';
import { type Kernel, resample } from '../../image/resample.ts';
import { h } from '../dom.ts';

/** How an image becomes the input of a model. */
export interface PixelRecipe extends CropRecipe {
  readonly kernel: Kernel;
}

const canvas = h('canvas');

/** The input pixels of an image, equal to those of the server except for rounding. */
export function pixelsOf(picture: ImageBitmap | HTMLVideoElement, recipe: PixelRecipe): Uint8Array {
  const size = picture instanceof ImageBitmap ? picture : { width: picture.videoWidth, height: picture.videoHeight };
  const seen = middle(size, MAX_ASPECT);
  canvas.width = seen.width;
  canvas.height = seen.height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('This browser does not support 2D canvases.');
  // Transparent pixels become white.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, seen.width, seen.height);
  context.drawImage(picture, -seen.left, -seen.top);
  const { data } = context.getImageData(0, 0, seen.width, seen.height);
  const { width, height, crop } = resizedTo(seen, recipe);
  return resample({ pixels: rgbOf(data), width: seen.width, height: seen.height }, width, height, crop, recipe.kernel);
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
