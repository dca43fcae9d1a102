/** Labelled feature vectors. */
export interface Samples {
  /** `[n, dimension]`, row-major. */
  readonly features: Float32Array;
  /** `[n]`, class indices from 0. */
  readonly labels: Int32Array;
  /** `[n]`, weight of each sample in the loss; all 1 when absent. */
  readonly weights?: Float32Array;
}

/** Cached features of the training images at one layer of the backbone, or at several. */
export interface FeatureSet {
  /** Of the layer, as the caller knows it. */
  readonly name: string;
  readonly dimension: number;
  /** `[images, dimension]` */
  readonly originals: Float32Array;
  /** Features of augmented copies, `[copies, dimension]`; `sources` has the image that each shows. */
  readonly copies?: { readonly features: Float32Array; readonly sources: Int32Array };
}

/** What a head can be trained on. */
export interface TrainingImages {
  readonly set: FeatureSet;
  /** Whether the augmented copies are trained on. */
  readonly augmented: boolean;
  /** Of the images. */
  readonly labels: Int32Array;
  /** How much each image counts beside the others and beside a copy; 1 where absent. */
  readonly weights?: Float32Array;
}

/** The images that `keep` accepts, and behind them their copies if they are trained on. */
export function samplesOf(
  { set, augmented, labels, weights }: TrainingImages,
  keep: (image: number) => boolean = () => true,
): Samples {
  const { dimension, originals, copies } = set;
  const images = indicesWhere(labels.length, keep);
  const chosen = augmented && copies ? indicesWhere(copies.sources.length, (i) => keep(copies.sources[i] ?? 0)) : [];
  const features = new Float32Array((images.length + chosen.length) * dimension);
  const take = (from: Float32Array, row: number, to: number): void => {
    features.set(from.subarray(row * dimension, (row + 1) * dimension), to * dimension);
  };
  images.forEach((row, i) => {
    take(originals, row, i);
  });
  chosen.forEach((row, i) => {
    if (copies) take(copies.features, row, images.length + i);
  });
  const shown = Int32Array.from([...images, ...chosen.map((row) => copies?.sources[row] ?? 0)]);
  return {
    features,
    labels: shown.map((image) => labels[image] ?? 0),
    ...(weights && {
      weights: Float32Array.from(shown, (image, i) => (i < images.length ? (weights[image] ?? 1) : 1)),
    }),
  };
}

/**
 * Training images and, behind them, further ones that have no copies. Each of those counts as much as an image of
 * training does with its copies.
 */
export function joinImages(images: TrainingImages, further: Samples): TrainingImages {
  const { set, augmented, labels } = images;
  const copies = augmented ? (set.copies?.sources.length ?? 0) / labels.length : 0;
  const joined = new Int32Array(labels.length + further.labels.length);
  joined.set(labels);
  joined.set(further.labels, labels.length);
  const originals = new Float32Array(set.originals.length + further.features.length);
  originals.set(set.originals);
  originals.set(further.features, set.originals.length);
  const weights = new Float32Array(joined.length).fill(1).fill(1 + copies, labels.length);
  return { set: { ...set, originals }, augmented, labels: joined, weights };
}

function indicesWhere(count: number, accept: (index: number) => boolean): number[] {
  const indices: number[] = [];
  for (let index = 0; index < count; index++) if (accept(index)) indices.push(index);
  return indices;
}
