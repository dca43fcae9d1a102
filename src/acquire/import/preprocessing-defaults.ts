import type { ManifestDocument } from '../../registry/manifest.ts';

/** How pixels are made for a model, and scaled in it, in the manifest's words. */
export type PreprocessingFields = Pick<ManifestDocument, 'input_size' | 'mean' | 'std' | 'crop_pct' | 'interpolation'>;

/** As most networks are trained on ImageNet. */
const IMAGENET: PreprocessingFields = {
  input_size: [3, 224, 224],
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  crop_pct: 0.875,
  interpolation: 'bilinear',
};

/** The tag of torchvision's own weights, of which most others are descendants. */
const USUAL_TAG = /\.tv_/;

/** What the zoo's own models of an architecture want; what ImageNet's want where it has none. */
export function defaultsFor(architecture: unknown, seeds: readonly ManifestDocument[]): PreprocessingFields {
  const kin = seeds.filter((seed) => seed.architecture === architecture);
  const { input_size, mean, std, crop_pct, interpolation } =
    kin.find(({ name }) => USUAL_TAG.test(name)) ?? kin[0] ?? IMAGENET;
  return { input_size, mean, std, crop_pct, interpolation };
}

/** An ONNX file does not tell how its pixels are made, but where it takes bytes: those it scales itself. */
export function onnxDefaults(takesBytes: boolean): Omit<PreprocessingFields, 'input_size'> {
  const { input_size: _, ...usual } = IMAGENET;
  return takesBytes ? { ...usual, mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] } : usual;
}

/** A browser stretches the whole picture to the model's size; models take it from 0 to 1, if they don't scale it themselves. */
export function tfjsDefaults(scalesPixels: boolean): Omit<PreprocessingFields, 'input_size'> {
  const unit = scalesPixels ? 1 / 255 : 1;
  return { mean: [0, 0, 0], std: [unit, unit, unit], crop_pct: 1, interpolation: 'bilinear' };
}
