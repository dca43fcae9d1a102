/** The largest difference of a score, 0..1, that rounding explains. */
const TOLERANCE = 0.01;

/**
 * Pixels of no picture, with coarse and fine structures in all colours, so that every kernel of a network has something
 * to compute; always the same.
 * @returns RGB, 0..255
 */
export function samplePixels(height: number, width: number): Uint8Array {
  return Uint8Array.from({ length: height * width * 3 }, (_, index) => {
    const [x, y, channel] = [Math.floor(index / 3) % width, Math.floor(index / 3 / width), index % 3];
    const coarse = Math.sin((x * (channel + 2)) / 9) + Math.cos((y * (4 - channel)) / 13);
    const fine = ((x * 37 + y * 91 + channel * 53) % 64) / 64;
    return 127 + 48 * coarse + 31 * (fine - 0.5);
  });
}

/**
 * Whether two backends compute the same scores. A backend whose kernels are wrong answers fast and looks right, which is
 * worse than a slow one.
 * @returns what is wrong; undefined when nothing is
 */
export function disagreement(reference: Float32Array, computed: Float32Array): string | undefined {
  const differences = Array.from(reference, (score, index) => Math.abs(score - (computed[index] ?? Number.NaN)));
  const largest = Math.max(...differences);
  if (largest <= TOLERANCE) return undefined;
  const amount = Number.isNaN(largest) ? 'some are no numbers' : `by up to ${(100 * largest).toFixed(1)} points`;
  return `Its scores differ from those of the processor: ${amount}.`;
}
