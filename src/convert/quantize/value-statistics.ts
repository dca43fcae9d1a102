/** Bins on each side of zero. At least half of them are in use, so a range is known to 0.1 %. */
const BINS = 2048;

/**
 * What is kept of all values that a layer gave on the calibration images: a histogram on both sides of zero whose
 * width doubles when a value lies beyond it, and the mean of each channel.
 */
export class ValueStatistics {
  min = 0;
  max = 0;
  /** Values that are exactly zero, which every quantization represents exactly; they are in no bin. */
  zeros = 0;
  /** Counts of the values above zero and of the absolute values below it, in bins of `binWidth`. */
  readonly above = new Float64Array(BINS);
  readonly below = new Float64Array(BINS);
  readonly #sums: Float64Array;
  #perChannel = 0;
  #limit = 0;

  constructor(channels: number) {
    this.#sums = new Float64Array(channels);
  }

  get binWidth(): number {
    return this.#limit / BINS;
  }

  /** Mean of each channel over all values that were added. */
  get means(): Float64Array {
    return this.#sums.map((sum) => (this.#perChannel === 0 ? 0 : sum / this.#perChannel));
  }

  /** Adds the values of one image, channel by channel. Values that are not finite count as zero. */
  add(values: Float32Array): void {
    const perChannel = values.length / this.#sums.length;
    let [min, max] = [this.min, this.max];
    for (const value of values) {
      if (value < min && value !== Number.NEGATIVE_INFINITY) min = value;
      else if (value > max && value !== Number.POSITIVE_INFINITY) max = value;
    }
    this.min = min;
    this.max = max;
    this.#widen(Math.max(max, -min));
    const scale = this.#limit === 0 ? 0 : BINS / this.#limit;
    const { above, below } = this;
    let zeros = 0;
    for (let channel = 0, at = 0; channel < this.#sums.length; channel += 1) {
      let sum = 0;
      for (const end = at + perChannel; at < end; at += 1) {
        const value = values[at] ?? 0;
        if (value > 0 && value <= max) {
          const bin = (value * scale) | 0;
          above[bin < BINS ? bin : BINS - 1] = (above[bin < BINS ? bin : BINS - 1] ?? 0) + 1;
          sum += value;
        } else if (value < 0 && value >= min) {
          const bin = (-value * scale) | 0;
          below[bin < BINS ? bin : BINS - 1] = (below[bin < BINS ? bin : BINS - 1] ?? 0) + 1;
          sum += value;
        } else zeros += 1;
      }
      this.#sums[channel] = (this.#sums[channel] ?? 0) + sum;
    }
    this.zeros += zeros;
    this.#perChannel += perChannel;
  }

  /** Makes room for absolute values up to `largest`. */
  #widen(largest: number): void {
    if (this.#limit === 0) this.#limit = largest;
    while (this.#limit < largest) {
      this.#limit *= 2;
      for (const bins of [this.above, this.below]) {
        for (let bin = 0; bin < BINS; bin += 1) {
          bins[bin] = bin < BINS / 2 ? (bins[2 * bin] ?? 0) + (bins[2 * bin + 1] ?? 0) : 0;
        }
      }
    }
  }
}
