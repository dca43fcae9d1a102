import type { ManifestDocument } from '../../registry/manifest.ts';

/** How photos become the pixels of a model, and how the model scales them: fields of a manifest. */
export type PreprocessingFields = Pick<
  ManifestDocument,
  'input_size' | 'mean' | 'std' | 'resize_mode' | 'pad_color' | 'crop_pct' | 'interpolation'
>;

/** The usual preprocessing of networks trained on ImageNet. */
const IMAGENET: PreprocessingFields = {
  input_size: [3, 224, 224],
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize_mode: 'crop',
  crop_pct: 0.875,
  interpolation: 'bilinear',
};

/** The tag of torchvision's own weights, from which most others descend. */
const USUAL_TAG = /\.tv_/;

/** The preprocessing of the zoo's models of an architecture; that of ImageNet when the zoo has none. */
export function defaultsFor(architecture: unknown, seeds: readonly ManifestDocument[]): PreprocessingFields {
  const kin = seeds.filter((seed) => seed.architecture === architecture);
  const { input_size, mean, std, resize_mode, pad_color, crop_pct, interpolation } =
    kin.find(({ name }) => USUAL_TAG.test(name)) ?? kin[0] ?? IMAGENET;
  const padding = pad_color === undefined ? {} : { pad_color };
  return { input_size, mean, std, resize_mode, ...padding, crop_pct, interpolation };
}

/** The preprocessing of most ONNX models: a file does not say how its pixels are made. */
export function usualDefaults(): Omit<PreprocessingFields, 'input_size'> {
  const { input_size: _, ...usual } = IMAGENET;
  return usual;
}

/**
 * Keras and programs in a browser stretch the whole image to the input size. Models expect values of 0..1, or of 0..255
 * if they scale them.
 * @param scalesPixels whether the first layer of the model scales its input
 */
export function tfjsDefaults(scalesPixels: boolean): Omit<PreprocessingFields, 'input_size'> {
  const unit = scalesPixels ? 1 / 255 : 1;
  return { mean: [0, 0, 0], std: [unit, unit, unit], resize_mode: 'stretch', crop_pct: 1, interpolation: 'bilinear' };
}
