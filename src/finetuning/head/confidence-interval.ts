/** Bounds of a 95 % confidence interval of a share, each in 0..1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** A measured accuracy, in 0..1. */
export interface Score {
  readonly accuracy: number;
  readonly interval: Interval;
}

/** 97.5 % quantile of the standard normal distribution: 95 % of it lies between -Z and Z. */
const Z = 1.959963984540054;

/**
 * Wilson's score interval (1927) for `successes` of `total`. Unlike the normal approximation it stays within 0..1 and
 * does not have zero width when all or none succeed.
 */
export function wilsonInterval(successes: number, total: number): Interval {
  const share = successes / total;
  const spread = Z * Math.sqrt((share * (1 - share)) / total + (Z * Z) / (4 * total * total));
  const centre = share + (Z * Z) / (2 * total);
  const scale = 1 + (Z * Z) / total;
  return { low: Math.max(0, (centre - spread) / scale), high: Math.min(1, (centre + spread) / scale) };
}

/** The accuracy of `correct` right answers out of `total`. */
export function scoreOf(correct: number, total: number): Score {
  return { accuracy: correct / total, interval: wilsonInterval(correct, total) };
}
