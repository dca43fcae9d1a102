import type { Random } from '../../common/random.ts';

/** Adds normally distributed noise to every value. @param deviation as a share of the range of values */
export function gaussianNoise(pixels: Uint8Array, deviation: number, random: Random): Uint8Array {
  const scale = deviation * 255;
  return pixels.map((value) => clamped(value + scale * random.normal()));
}

/**
 * Replaces every value by a count of photons: a Poisson distribution whose mean is proportional to the value. Drawn
 * exactly, by the inverse of its distribution function.
 * @param photons that make 255 on average
 */
export function shotNoise(pixels: Uint8Array, photons: number, random: Random): Uint8Array {
  // There are as many distributions as values.
  const distributions = new Map<number, Float64Array>();
  return pixels.map((value) => {
    const known = distributions.get(value) ?? poisson((value / 255) * photons);
    distributions.set(value, known);
    return clamped((firstAbove(known, random.next()) * 255) / photons);
  });
}

/** Makes a share of the values 0 or 255, with equal probability; each channel for itself. */
export function impulseNoise(pixels: Uint8Array, share: number, random: Random): Uint8Array {
  return pixels.map((value) => {
    const draw = random.next();
    if (draw >= share) return value;
    return draw < share / 2 ? 0 : 255;
  });
}

/** Probabilities of at most 0, 1, 2 ... events, until the rest is negligible. */
function poisson(mean: number): Float64Array {
  const length = Math.ceil(mean + 10 * Math.sqrt(mean)) + 10;
  const distribution = new Float64Array(length);
  let probability = Math.exp(-mean);
  let sum = 0;
  for (let count = 0; count < length; count++) {
    sum += probability;
    distribution[count] = sum;
    probability *= mean / (count + 1);
  }
  return distribution;
}

/** The first position whose entry is above `draw`; entries ascend. The last one when none is. */
function firstAbove(ascending: Float64Array, draw: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) > draw) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Within 0..255. What is stored as a byte loses its fraction, as in the published data. */
function clamped(value: number): number {
  return Math.max(0, Math.min(255, value));
}
