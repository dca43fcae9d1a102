import { augment, type CopyKey, reduceForAugmentation } from './augment.ts';
import type { Augmentation } from './augmentation.ts';
import type { Preprocessing } from './crop.ts';
import { exactInput } from './exact-input.ts';
import { type Fingerprint, fingerprint } from './fingerprint.ts';
import type { RgbImage } from './resample.ts';

/** What a training needs of an image, all from one decoding. */
export interface TrainingSample extends Fingerprint {
  /** Size of the upright original. */
  readonly width: number;
  readonly height: number;
  /** The model's input: `height * width * 3` bytes of RGB; or the whole image, where `exactInput` does not make it. */
  readonly shown: { readonly input: Uint8Array } | { readonly whole: RgbImage };
  /** The image as copies are made of it; absent unless it was asked for. */
  readonly reduced?: RgbImage;
}

/** @param forCopies whether copies will be made of the image */
export function sampleOf(image: RgbImage, recipe: Preprocessing, forCopies: boolean): TrainingSample {
  const { width, height } = image;
  const input = exactInput(image, recipe);
  return {
    ...{ width, height, ...fingerprint(image) },
    shown: input === undefined ? { whole: image } : { input },
    ...(forCopies && { reduced: reduceForAugmentation(image, recipe) }),
  };
}

/** The varied copies of an image, reduced or not, in the order of their keys; see `augment`. */
export function copiesOf(
  image: RgbImage,
  recipe: Preprocessing,
  augmentation: Augmentation,
  keys: readonly CopyKey[],
): Uint8Array[] {
  const reduced = reduceForAugmentation(image, recipe);
  return keys.map((key) => augment(reduced, recipe, augmentation, key));
}
