/** The law `error = floor + scale * images ** -exponent`. */
export interface PowerLaw {
  readonly scale: number;
  readonly exponent: number;
  /** Error that no number of images removes, 0 to below 1. */
  readonly floor: number;
}

/** A measured accuracy, 0..1, and its standard error. */
export interface MeasuredAccuracy {
  readonly images: number;
  readonly accuracy: number;
  readonly error: number;
}

/** Floors that are tried, as shares of the least error. */
const FLOORS = Array.from({ length: 20 }, (_, i) => i / 20);
/** An error below this would have an infinite logarithm. */
const LEAST = 1e-4;

/**
 * Fits the inverse power law of learning curves to accuracies, weighted by their standard errors: for each of several
 * floors a straight line through the logarithms, of which the one with the least weighted squared residuals is taken.
 * An exponent below 0, errors that grow, becomes 0.
 */
export function fitPowerLaw(points: readonly MeasuredAccuracy[]): PowerLaw {
  const least = Math.min(...points.map(({ accuracy }) => 1 - accuracy));
  let best: (PowerLaw & { readonly residuals: number }) | undefined;
  for (const share of FLOORS) {
    const law = fitWithFloor(points, share * Math.max(least, 0));
    if (best === undefined || law.residuals < best.residuals) best = law;
  }
  if (best === undefined) throw new Error('there must be a floor');
  const { scale, exponent, floor } = best;
  return { scale, exponent, floor };
}

function fitWithFloor(points: readonly MeasuredAccuracy[], floor: number): PowerLaw & { residuals: number } {
  const logs = points.map(({ images, accuracy, error }) => {
    const above = Math.max(LEAST, 1 - accuracy - floor);
    // The error of a logarithm is the relative error.
    return { x: Math.log(images), y: Math.log(above), weight: (above / error) ** 2 };
  });
  const total = logs.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (of: 'x' | 'y'): number => logs.reduce((sum, log) => sum + log.weight * log[of], 0) / total;
  const [meanX, meanY] = [mean('x'), mean('y')];
  const covariance = logs.reduce((sum, { x, y, weight }) => sum + weight * (x - meanX) * (y - meanY), 0);
  const variance = logs.reduce((sum, { x, weight }) => sum + weight * (x - meanX) ** 2, 0);
  const exponent = Math.max(0, -covariance / (variance || 1));
  const scale = Math.exp(meanY + exponent * meanX);
  const residuals = points.reduce((sum, { images, accuracy, error }) => {
    const missed = 1 - accuracy - (floor + scale * images ** -exponent);
    return sum + (missed / error) ** 2;
  }, 0);
  return { scale, exponent, floor, residuals };
}
