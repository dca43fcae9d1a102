import type { RgbImage, Window } from './resample.ts';

/** The part of an image inside `window`, which lies within it. The whole image is returned as it is. */
export function cut(image: RgbImage, { left, top, width, height }: Window): RgbImage {
  if (width === image.width && height === image.height) return image;
  const pixels = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row += 1) {
    const from = ((top + row) * image.width + left) * 3;
    pixels.set(image.pixels.subarray(from, from + width * 3), row * width * 3);
  }
  return { pixels, width, height };
}
