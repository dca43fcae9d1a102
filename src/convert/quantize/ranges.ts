import type { ValueStatistics } from './value-statistics.ts';

/**
 * How the range of a layer's values is chosen from what was seen on the calibration images. `min_max` takes all of it.
 * `percentile` leaves 0.01 % of the values outside. `mse` makes the mean squared error of rounding and clipping least.
 * `entropy` makes the Kullback-Leibler divergence of the quantized distribution least, as TensorRT does (Migacz 2017,
 * "8-bit Inference with TensorRT").
 */
export const CALIBRATION_METHODS = ['min_max', 'percentile', 'entropy', 'mse'] as const;
export type CalibrationMethod = (typeof CALIBRATION_METHODS)[number];

/** A range of real values that contains zero. */
export interface ValueRange {
  readonly low: number;
  readonly high: number;
}

/** How real values become bytes: `byte = clamp(round(value / scale) + zeroPoint, 0, 255)`. */
export interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Levels of a byte. */
const LEVELS = 256;
const PERCENTILE = 0.9999;
/** Ranges that are tried: these shares of the largest one. */
const SHARES = Array.from({ length: 80 }, (_, index) => 1 - index / 100);

/** The range of a method, over the values that were seen; a single point when all of them are zero. */
export function chooseRange(statistics: ValueStatistics, method: CalibrationMethod): ValueRange {
  const { min: low, max: high } = statistics;
  if (method === 'min_max' || low === high) return { low, high };
  if (method === 'percentile') return percentileRange(statistics);
  const loss = method === 'mse' ? squaredError : divergence;
  const candidates = SHARES.map((share) => ({ low: low * share, high: high * share }));
  const losses = candidates.map((range) => loss(statistics, range));
  return candidates[losses.indexOf(Math.min(...losses))] ?? { low, high };
}

/** The quantization of a range. A range of a single point, zero, gets a scale of 1: zero stays exact. */
export function quantizationOf({ low, high }: ValueRange): Quantization {
  const scale = Math.fround((high - low) / (LEVELS - 1));
  if (!(scale > 0 && Number.isFinite(scale))) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: Math.min(LEVELS - 1, Math.max(0, Math.round(-low / scale))) };
}

/** Cuts the same share of all values at each end at which there are any. */
function percentileRange({ above, below, zeros, binWidth, min, max }: ValueStatistics): ValueRange {
  const total = sum(above) + sum(below) + zeros;
  const ends = (min < 0 ? 1 : 0) + (max > 0 ? 1 : 0);
  const outside = ((1 - PERCENTILE) * total) / Math.max(1, ends);
  const end = (bins: Float64Array): number => {
    let bin = bins.length;
    for (let cut = 0; bin > 0; bin -= 1) {
      cut += bins[bin - 1] ?? 0;
      if (cut > outside) break;
    }
    return bin * binWidth;
  };
  return { low: Math.max(min, -end(below)), high: Math.min(max, end(above)) };
}

/** Of the values in all bins, as if each lay in the middle of its bin. */
function squaredError({ above, below, binWidth }: ValueStatistics, range: ValueRange): number {
  const { scale, zeroPoint } = quantizationOf(range);
  const [lowest, highest] = [-zeroPoint * scale, (LEVELS - 1 - zeroPoint) * scale];
  let total = 0;
  for (const [bins, sign] of [
    [above, 1],
    [below, -1],
  ] as const) {
    for (let bin = 0; bin < bins.length; bin += 1) {
      const count = bins[bin] ?? 0;
      if (count === 0) continue;
      const value = sign * (bin + 0.5) * binWidth;
      // Within the range, the rounding error is spread evenly over a step.
      const beyond = value > highest ? value - highest : value < lowest ? lowest - value : 0;
      total += count * (beyond > 0 ? beyond * beyond : (scale * scale) / 12);
    }
  }
  return total;
}

/** From the values clipped to the range to those values after quantization, over the bins inside the range. */
function divergence({ above, below, binWidth }: ValueStatistics, { low, high }: ValueRange): number {
  const [first, last] = [Math.floor(low / binWidth), Math.ceil(high / binWidth)];
  const size = last - first;
  if (size < LEVELS) return Number.POSITIVE_INFINITY;
  const clipped = new Float64Array(size);
  const inside = new Float64Array(size);
  const place = (index: number, count: number): void => {
    const at = Math.min(size - 1, Math.max(0, index - first));
    clipped[at] = (clipped[at] ?? 0) + count;
    if (index - first === at) inside[at] = (inside[at] ?? 0) + count;
  };
  for (const [bin, count] of above.entries()) place(bin, count);
  for (const [bin, count] of below.entries()) place(-bin - 1, count);
  const quantized = new Float64Array(size);
  for (let level = 0; level < LEVELS; level += 1) {
    const [from, to] = [Math.round((level * size) / LEVELS), Math.round(((level + 1) * size) / LEVELS)];
    let [total, used] = [0, 0];
    for (let bin = from; bin < to; bin += 1) {
      total += inside[bin] ?? 0;
      used += (inside[bin] ?? 0) > 0 ? 1 : 0;
    }
    for (let bin = from; bin < to; bin += 1) if ((inside[bin] ?? 0) > 0) quantized[bin] = total / used;
  }
  const [all, kept] = [sum(clipped), sum(quantized)];
  if (all === 0 || kept === 0) return Number.POSITIVE_INFINITY;
  // A little of everything in every bin, so that the logarithm is finite where clipping filled an empty bin.
  const least = 1e-6 / size;
  return clipped.reduce((total, count, bin) => {
    const [p, q] = [count / all, (quantized[bin] ?? 0) / kept + least];
    return p === 0 ? total : total + p * Math.log(p / q);
  }, 0);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
