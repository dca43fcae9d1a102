/**
 * Strengths of the corruptions, five each, as Hendrycks & Dietterich (2019) published them for two input sizes:
 * ImageNet-C (224 pixels) and Tiny ImageNet-C (64 pixels).
 *
 * Taken as they are: noise, JPEG quality, brightness, contrast, fog. Changed: models have inputs of any size, so the
 * nearer of the two tables applies, and its lengths (radii, sigmas, the size of a coarse pixel) grow with the input, so
 * that the picture as a whole loses as much. Rotation is not among theirs; its angles are ours. Their glass and zoom
 * blur, snow, frost and elastic transform are left out.
 */
export interface Strengths {
  /** Side of the input that the lengths are meant for, in pixels. */
  readonly side: number;
  /** Standard deviation, as a share of the range of values. */
  readonly gaussianNoise: Five<number>;
  /** Photons that make white. */
  readonly shotNoise: Five<number>;
  /** Share of the values that become 0 or 255. */
  readonly impulseNoise: Five<number>;
  /** Radius of the disk, and sigma of the Gaussian that smooths its edge, both in pixels. */
  readonly defocusBlur: Five<readonly [radius: number, sigma: number]>;
  /** Radius and sigma of half a Gaussian along the movement, in pixels. */
  readonly motionBlur: Five<readonly [radius: number, sigma: number]>;
  /** Amount of fog, and the factor by which its details lose amplitude from one scale to the next. */
  readonly fog: Five<readonly [amount: number, decay: number]>;
  /** What is added to the value of HSV, 0..1. */
  readonly brightness: Five<number>;
  /** Factor of the distance from the mean. */
  readonly contrast: Five<number>;
  /** Degrees, in either direction. */
  readonly rotation: Five<number>;
  /** Coarse pixels along a side, as a share of `side`. */
  readonly pixelate: Five<number>;
  /** Quality of libjpeg, 1..100. */
  readonly jpeg: Five<number>;
}

type Five<T> = readonly [T, T, T, T, T];

const SAME = {
  brightness: [0.1, 0.2, 0.3, 0.4, 0.5],
  contrast: [0.4, 0.3, 0.2, 0.1, 0.05],
  rotation: [9, 18, 27, 36, 45],
} as const satisfies Partial<Strengths>;

const IMAGENET_C: Strengths = {
  ...SAME,
  side: 224,
  gaussianNoise: [0.08, 0.12, 0.18, 0.26, 0.38],
  shotNoise: [60, 25, 12, 5, 3],
  impulseNoise: [0.03, 0.06, 0.09, 0.17, 0.27],
  defocusBlur: [
    [3, 0.1],
    [4, 0.5],
    [6, 0.5],
    [8, 0.5],
    [10, 0.5],
  ],
  motionBlur: [
    [10, 3],
    [15, 5],
    [15, 8],
    [15, 12],
    [20, 15],
  ],
  fog: [
    [1.5, 2],
    [2, 2],
    [2.5, 1.7],
    [2.5, 1.5],
    [3, 1.4],
  ],
  pixelate: [0.6, 0.5, 0.4, 0.3, 0.25],
  jpeg: [25, 18, 15, 10, 7],
};

const TINY_IMAGENET_C: Strengths = {
  ...SAME,
  side: 64,
  gaussianNoise: [0.04, 0.08, 0.12, 0.15, 0.18],
  shotNoise: [250, 100, 50, 30, 15],
  impulseNoise: [0.01, 0.02, 0.05, 0.08, 0.14],
  defocusBlur: [
    [0.5, 0.6],
    [1, 0.1],
    [1.5, 0.1],
    [2.5, 0.01],
    [3, 0.1],
  ],
  motionBlur: [
    [10, 1],
    [10, 1.5],
    [10, 2],
    [10, 2.5],
    [12, 3],
  ],
  fog: [
    [0.4, 3],
    [0.7, 3],
    [1, 2.5],
    [1.5, 2],
    [2, 1.75],
  ],
  pixelate: [0.9, 0.8, 0.7, 0.6, 0.5],
  jpeg: [65, 58, 50, 40, 25],
};

/** The geometric mean of the two sizes: 120. */
const BORDER = Math.sqrt(TINY_IMAGENET_C.side * IMAGENET_C.side);

/** The table whose size is nearer to an input whose shorter side has so many pixels. */
export function strengthsFor(side: number): Strengths {
  return side < BORDER ? TINY_IMAGENET_C : IMAGENET_C;
}
