import type { RgbImage } from '../resample.ts';

/** From this radius on, the edge of the disk is smoothed over two pixels rather than one. */
const WIDE_EDGE_ABOVE = 8;

/**
 * Defocus: the mean over a disk, whose edge is smoothed by a small Gaussian. Beyond its border the image is mirrored
 * about the outermost pixels. The Gaussian is applied to the image: with this border the order does not matter, and the
 * disk is then a sum of rows, each of which is a difference of two prefix sums.
 * @param radius of the disk, in pixels
 * @param sigma of the Gaussian, in pixels
 */
export function defocusBlur(image: RgbImage, radius: number, sigma: number): Uint8Array {
  const { width, height } = image;
  const smooth = separable(image, gaussian(sigma, radius > WIDE_EDGE_ABOVE ? 2 : 1));
  const reach = Math.floor(radius);
  const halves = Array.from({ length: 2 * reach + 1 }, (_, row) =>
    Math.floor(Math.sqrt(Math.max(0, radius ** 2 - (row - reach) ** 2))),
  );
  const area = halves.reduce((sum, half) => sum + 2 * half + 1, 0);
  const output = new Uint8Array(image.pixels.length);
  const sums = new Float64Array(width);
  const stride = width + 2 * reach + 1;
  const columns = Int32Array.from({ length: stride - 1 }, (_, x) => mirrored(x - reach, width) * 3);
  for (let channel = 0; channel < 3; channel++) {
    // prefix[y][x]: the sum of what is left of column x - reach in row y.
    const prefix = new Float64Array(height * stride);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < stride - 1; x++) {
        const from = y * width * 3 + (columns[x] ?? 0) + channel;
        prefix[y * stride + x + 1] = (prefix[y * stride + x] ?? 0) + (smooth[from] ?? 0);
      }
    }
    for (let y = 0; y < height; y++) {
      sums.fill(0);
      for (const [row, half] of halves.entries()) {
        const line = mirrored(y + row - reach, height) * stride + reach;
        for (let x = 0; x < width; x++) {
          const sum = (prefix[line + x + half + 1] ?? 0) - (prefix[line + x - half] ?? 0);
          sums[x] = (sums[x] ?? 0) + sum;
        }
      }
      for (let x = 0; x < width; x++) {
        output[(y * width + x) * 3 + channel] = Math.min(255, Math.max(0, (sums[x] ?? 0) / area));
      }
    }
  }
  return output;
}

/**
 * Motion: half a Gaussian along a line, sampled at whole pixels. Beyond its border the image has its outermost pixels.
 * @param radius half the length of the line, in pixels
 * @param sigma of the Gaussian, in pixels
 * @param radians direction of the line; 0 is to the right
 */
export function motionBlur(
  { pixels, width, height }: RgbImage,
  radius: number,
  sigma: number,
  radians: number,
): Uint8Array {
  const steps = Array.from({ length: 2 * radius + 1 }, (_, step) => ({
    weight: Math.exp(-(step ** 2) / (2 * sigma ** 2)),
    across: Math.ceil(step * Math.cos(radians) - 0.5),
    down: Math.ceil(step * Math.sin(radians) - 0.5),
  }));
  const total = steps.reduce((sum, { weight }) => sum + weight, 0);
  const sums = new Float32Array(pixels.length);
  for (const { weight, across, down } of steps) {
    const columns = columnsOf(width, (x) => within(x + across, width));
    for (let y = 0; y < height; y++) {
      const line = within(y + down, height) * width * 3;
      const to = y * width * 3;
      for (let at = 0; at < width * 3; at++) {
        sums[to + at] = (sums[to + at] ?? 0) + weight * (pixels[line + (columns[at] ?? 0)] ?? 0);
      }
    }
  }
  const output = new Uint8Array(pixels.length);
  for (let index = 0; index < output.length; index++) output[index] = Math.min(255, (sums[index] ?? 0) / total);
  return output;
}

/** Filters along rows and then along columns. @param kernel of odd length, symmetric */
function separable({ pixels, width, height }: RgbImage, kernel: readonly number[]): Float32Array {
  const reach = (kernel.length - 1) / 2;
  const rows = new Float32Array(pixels.length);
  const both = new Float32Array(pixels.length);
  for (const [tap, weight] of kernel.entries()) {
    const columns = columnsOf(width, (x) => mirrored(x + tap - reach, width));
    for (let y = 0; y < height; y++) {
      const line = y * width * 3;
      for (let at = 0; at < width * 3; at++) {
        rows[line + at] = (rows[line + at] ?? 0) + weight * (pixels[line + (columns[at] ?? 0)] ?? 0);
      }
    }
  }
  for (let y = 0; y < height; y++) {
    for (const [tap, weight] of kernel.entries()) {
      const line = mirrored(y + tap - reach, height) * width * 3;
      for (let at = 0; at < width * 3; at++) {
        const to = y * width * 3 + at;
        both[to] = (both[to] ?? 0) + weight * (rows[line + at] ?? 0);
      }
    }
  }
  return both;
}

/** Where in a row of pixels the values are that move to each place, if pixel `x` is taken from `from(x)`. */
function columnsOf(width: number, from: (x: number) => number): Int32Array {
  const columns = new Int32Array(width * 3);
  for (let x = 0; x < width; x++) {
    const start = from(x) * 3;
    for (let channel = 0; channel < 3; channel++) columns[x * 3 + channel] = start + channel;
  }
  return columns;
}

function gaussian(sigma: number, reach: number): number[] {
  const weights = Array.from({ length: 2 * reach + 1 }, (_, tap) => Math.exp(-((tap - reach) ** 2) / (2 * sigma ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** A position mirrored about the first and the last of `size`, which are not repeated. */
function mirrored(position: number, size: number): number {
  if (position >= 0 && position < size) return position;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const inside = ((position % period) + period) % period;
  return inside < size ? inside : period - inside;
}

function within(position: number, size: number): number {
  return position < 0 ? 0 : position < size ? position : size - 1;
}
