import type { RgbImage } from '../../../src/image/resample.ts';

/**
 * A picture with slopes, edges and all colours, without a file.
 * @param detail how fine its finest detail is
 */
export function photo(side: number, detail = 40): RgbImage {
  const pixels = Uint8Array.from({ length: side * side * 3 }, (_, index) => {
    const [x, y, channel] = [(Math.floor(index / 3) % side) / side, Math.floor(index / 3 / side) / side, index % 3];
    const waves = Math.sin(detail * x * (1 + y)) * Math.cos(0.6 * detail * y) * 50;
    const disk = (x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.06 ? 70 : 0;
    const slope = [x, y, 1 - x * y][channel] ?? 0;
    return Math.max(0, Math.min(255, 120 * slope + 50 + waves + disk * (channel === 1 ? -1 : 1)));
  });
  return { pixels, width: side, height: side };
}
