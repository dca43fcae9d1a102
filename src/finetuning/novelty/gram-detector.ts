import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Gram } from './gram.ts';
import { RANK, shrunkSpectrum } from './mahalanobis.ts';
import { principalDirections } from './principal-directions.ts';

/** A detector like that of `fitMahalanobis`, for images of a Gram matrix. */
export interface GramDetector {
  /** The squared distance of each of these images to the nearest class. */
  readonly distances: (images: Int32Array) => Float64Array;
  /** `[rank, size]`: the directions as sums of the images, to begin the fit to some of these images with. */
  readonly directions: Float32Array;
}

/** The fit to a part of the images begins with the directions of all: so few rounds are enough. */
const ROUNDS_FROM_START = 1;
/** Directions with a smaller share of the variance are made of rounding errors. */
const NEGLIGIBLE = 1e-6;

/**
 * Fits the means of the classes and one covariance to some images.
 * @param images indices of the images to fit to
 * @param labels of all images
 * @param start directions of a fit to more images
 */
export function fitOnGram(
  tf: TensorFlow,
  { size, dimension, products }: Gram,
  images: Int32Array,
  labels: Int32Array,
  seed: number,
  start?: Float32Array,
): GramDetector {
  const count = images.length;
  const classes = [...new Set(images.map((image) => labels[image] ?? 0))];
  const classOf = Int32Array.from(images, (image) => classes.indexOf(labels[image] ?? 0));
  const members = classes.map((_, k) => images.filter((_image, i) => classOf[i] === k));
  const product = (i: number, j: number): number => products[i * size + j] ?? 0;
  const alongMeans = (image: number): number[] =>
    members.map((own) => own.reduce((sum, other) => sum + product(image, other), 0) / own.length);
  const along = Array.from(images, alongMeans);
  const lengths = members.map((own, k) => {
    let sum = 0;
    for (const [i, each] of along.entries()) if (classOf[i] === k) sum += each[k] ?? 0;
    return sum / own.length;
  });
  const residuals = residualProducts();
  let total = 0;
  for (let i = 0; i < count; i++) total += (residuals[i * (count + 1)] ?? 0) / count;
  const { vectors, variances, weights, rest } = spectrum();
  const rank = variances.length;
  const ofMeans = members.map((_, k) => projected((i) => along[i]?.[k] ?? 0));

  return {
    directions: spread(),
    distances: (asked) =>
      Float64Array.from(asked, (image) => {
        const means = alongMeans(image);
        const own = projected((i) => product(image, images[i] ?? 0));
        let nearest = Number.POSITIVE_INFINITY;
        for (const [k, length] of lengths.entries()) {
          let distance = (product(image, image) - 2 * (means[k] ?? 0) + length) / rest;
          for (let j = 0; j < rank; j++) {
            distance -= (weights[j] ?? 0) * ((own[j] ?? 0) - (ofMeans[k]?.[j] ?? 0)) ** 2;
          }
          nearest = Math.min(nearest, distance);
        }
        return nearest;
      }),
  };

  /** Products of the differences from the means of the classes. */
  function residualProducts(): Float32Array {
    const between = members.map((_, k) =>
      members.map((own, l) => {
        let sum = 0;
        for (const [i, each] of along.entries()) if (classOf[i] === l) sum += each[k] ?? 0;
        return sum / own.length;
      }),
    );
    const result = new Float32Array(count * count);
    for (let i = 0; i < count; i++) {
      const own = along[i] ?? [];
      const k = classOf[i] ?? 0;
      for (let j = 0; j < count; j++) {
        const l = classOf[j] ?? 0;
        result[i * count + j] =
          product(images[i] ?? 0, images[j] ?? 0) - (own[l] ?? 0) - (along[j]?.[k] ?? 0) + (between[k]?.[l] ?? 0);
      }
    }
    return result;
  }

  /** The eigenvectors of the products are sums of residuals that give the directions of the covariance. */
  function spectrum() {
    const wanted = Math.min(RANK, Math.floor(count / 2), dimension);
    const begin = start && {
      vectors: Array.from({ length: start.length / size }, (_, k) =>
        Float64Array.from(images, (image) => start[k * size + image] ?? 0),
      ),
      rounds: ROUNDS_FROM_START,
    };
    const found = principalDirections(tf, residuals, count, wanted, seed, begin);
    // Its rows are the products themselves: the mean square along an eigenvector is the square of the eigenvalue, / n.
    const eigenvalues = found.variances.map((square) => Math.sqrt(Math.max(0, square) / count));
    return { vectors: found.vectors, ...shrunkSpectrum({ variances: eigenvalues, total }, dimension) };
  }

  /** The projections to the unit directions of a vector with these products with the images. */
  function projected(productWith: (i: number) => number): Float64Array {
    const result = new Float64Array(rank);
    for (let i = 0; i < count; i++) {
      const value = productWith(i);
      for (let j = 0; j < rank; j++) result[j] = (result[j] ?? 0) + value * (vectors[j * count + i] ?? 0);
    }
    return result.map((sum, j) => {
      const variance = variances[j] ?? 0;
      return variance > NEGLIGIBLE * total ? sum / Math.sqrt(count * variance) : 0;
    });
  }

  function spread(): Float32Array {
    const result = new Float32Array(rank * size);
    for (let j = 0; j < rank; j++) {
      for (const [i, image] of images.entries()) result[j * size + image] = vectors[j * count + i] ?? 0;
    }
    return result;
  }
}
