import type { RgbImage } from '../resample.ts';

/** Turns the picture about its middle, bilinearly. Beyond its border the image has its outermost pixels. */
export function rotate({ pixels, width, height }: RgbImage, radians: number): Uint8Array {
  const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const output = new Uint8Array(pixels.length);
  let to = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const x = within(middleX + (column - middleX) * cos + (row - middleY) * sin, width);
      const y = within(middleY - (column - middleX) * sin + (row - middleY) * cos, height);
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [right, bottom] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
      for (let channel = 0; channel < 3; channel++) {
        const value = (line: number, place: number): number => pixels[(line * width + place) * 3 + channel] ?? 0;
        const upper = value(top, left) + (value(top, right) - value(top, left)) * (x - left);
        const lower = value(bottom, left) + (value(bottom, right) - value(bottom, left)) * (x - left);
        output[to] = upper + (lower - upper) * (y - top) + 0.5;
        to += 1;
      }
    }
  }
  return output;
}

/** Shows the picture in fewer, larger pixels, each the mean of those whose middles lie in it. */
export function pixelate({ pixels, width, height }: RgbImage, across: number, down: number): Uint8Array {
  const columns = blocks(width, across);
  const rows = blocks(height, down);
  const sums = new Float64Array(across * down * 3);
  const counts = new Uint32Array(across * down);
  const blockOf = (y: number, x: number): number => (rows[y] ?? 0) * across + (columns[x] ?? 0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const block = blockOf(y, x);
      counts[block] = (counts[block] ?? 0) + 1;
      for (let channel = 0; channel < 3; channel++) {
        const to = block * 3 + channel;
        sums[to] = (sums[to] ?? 0) + (pixels[(y * width + x) * 3 + channel] ?? 0);
      }
    }
  }
  return pixels.map((_, index) => {
    const pixel = Math.floor(index / 3);
    const block = blockOf(Math.floor(pixel / width), pixel % width);
    return (sums[block * 3 + (index % 3)] ?? 0) / (counts[block] ?? 1) + 0.5;
  });
}

/** The block of each position: the one that its middle lies in. */
function blocks(size: number, count: number): Uint32Array {
  return Uint32Array.from({ length: size }, (_, position) =>
    Math.min(count - 1, Math.floor(((position + 0.5) * count) / size)),
  );
}

function within(position: number, size: number): number {
  return Math.max(0, Math.min(size - 1, position));
}
