import type { Random } from '../../common/random.ts';
import type { RgbImage } from '../resample.ts';

/**
 * Fog: a plasma fractal is added to the picture, and the sum is scaled back, so that the brightest value stays.
 * @param amount how much the densest fog adds, as a multiple of the range of values
 * @param decay factor by which the fractal loses amplitude from one scale to the next
 */
export function fog({ pixels, width, height }: RgbImage, amount: number, decay: number, random: Random): Uint8Array {
  const side = 2 ** Math.ceil(Math.log2(Math.max(width, height, 2)));
  const density = plasma(side, decay, random);
  const brightest = pixels.reduce((most, value) => Math.max(most, value), 0) / 255;
  const scale = brightest / (brightest + amount);
  return pixels.map((value, index) => {
    const pixel = Math.floor(index / 3);
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    return Math.min(255, (value + 255 * amount * (density[y * side + x] ?? 0)) * scale);
  });
}

/**
 * A height map of fractal noise, 0..1, by the diamond-square algorithm (Fournier, Fussell & Carpenter 1982) on a torus.
 * @param side a power of two
 */
function plasma(side: number, decay: number, random: Random): Float64Array {
  const map = new Float64Array(side * side);
  const at = (y: number, x: number): number => map[(y & (side - 1)) * side + (x & (side - 1))] ?? 0;
  // The first value is of no account: the map is normalised.
  let amplitude = 1;
  for (let step = side; step >= 2; step /= 2) {
    const half = step / 2;
    const around = (sum: number): number => sum / 4 + amplitude * (2 * random.next() - 1);
    for (let y = 0; y < side; y += step) {
      for (let x = 0; x < side; x += step) {
        const corners = at(y, x) + at(y, x + step) + at(y + step, x) + at(y + step, x + step);
        map[(y + half) * side + x + half] = around(corners);
      }
    }
    for (let y = 0; y < side; y += step) {
      for (let x = 0; x < side; x += step) {
        const corner = at(y, x);
        const middle = at(y + half, x + half);
        map[y * side + x + half] = around(corner + at(y, x + step) + middle + at(y - half, x + half));
        map[(y + half) * side + x] = around(corner + at(y + step, x) + middle + at(y + half, x - half));
      }
    }
    // Both the deviation and its factor shrink in the published code, so the amplitude does twice.
    amplitude /= decay ** 2;
  }
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of map) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return map.map((value) => (high > low ? (value - low) / (high - low) : 0));
}
