/** Labelled feature vectors. */
export interface Samples {
  /** `[n, dimension]`, row-major. */
  readonly features: Float32Array;
  /** `[n]`, class indices from 0. */
  readonly labels: Int32Array;
  /** `[n]`, weight of each sample in the loss; all 1 when absent. */
  readonly weights?: Float32Array;
}

/** Features of the training images at one or several layers of the backbone. */
export interface FeatureSet {
  /** Name of the layers, chosen by the caller. */
  readonly name: string;
  readonly dimension: number;
  /** `[images, dimension]` */
  readonly originals: Float32Array;
  /** Features of augmented copies, `[copies, dimension]`; `sources` has the index of the image of each copy. */
  readonly copies?: { readonly features: Float32Array; readonly sources: Int32Array };
}

/** Images to train a head on. */
export interface TrainingImages {
  readonly set: FeatureSet;
  /** Whether the augmented copies are used. */
  readonly augmented: boolean;
  /** Class index of each image. */
  readonly labels: Int32Array;
  /** Weight of each image in the loss; that of a copy is 1. All 1 when absent. */
  readonly weights?: Float32Array;
}

/** The images that `keep` accepts, followed by their copies if these are used. */
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
 * Adds images without copies to training images. Each gets the weight of a training image together with its copies.
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
