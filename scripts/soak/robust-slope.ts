/** A slope and the bounds between which it lies with 95 % probability, in units of y per unit of x. */
export interface Slope {
  readonly slope: number;
  readonly low: number;
  readonly high: number;
}

/** The 97.5th percentile of the normal distribution: two-sided 95 %. */
const Z = 1.959964;

/**
 * The slope of Theil and Sen: the median of the slopes of all pairs of points, which a few outliers do not move. Its
 * bounds are Sen's (1968): the pairs that Kendall's rank correlation would not tell from no correlation, with the normal
 * approximation of its variance, n (n - 1) (2 n + 5) / 18.
 * @param points with different x; with fewer than three, nothing is known and the bounds are infinite
 */
export function robustSlope(points: readonly { readonly x: number; readonly y: number }[]): Slope {
  const slopes = points
    .flatMap((a, index) => points.slice(index + 1).map((b) => (b.y - a.y) / (b.x - a.x)))
    .sort((a, b) => a - b);
  const { length: n } = points;
  const pairs = slopes.length;
  const spread = Z * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const lowRank = Math.floor((pairs - spread) / 2);
  const highRank = Math.ceil((pairs + spread) / 2);
  return {
    slope: medianOf(slopes),
    low: slopes[lowRank - 1] ?? Number.NEGATIVE_INFINITY,
    high: slopes[highRank] ?? Number.POSITIVE_INFINITY,
  };
}

/** The median; of an even number of values, the mean of the two in the middle. @param sorted ascending */
function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return below === undefined || above === undefined ? Number.NaN : (below + above) / 2;
}
