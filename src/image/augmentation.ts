import { z } from 'zod';

/**
 * How training images are varied, as clients write it. Values are drawn within these ranges for each copy. 0 or `false`
 * switches a variation off; for `crop_scale` it is 1. The defaults suit photos of things that may be seen from either
 * side.
 */
export const augmentationSchema = z
  .strictObject({
    copies: z
      .number()
      .int()
      .min(0)
      .max(50)
      .default(2)
      .describe('Varied copies of each training image, in addition to the image itself'),
    horizontal_flip: z.boolean().default(true).describe('Mirror a copy left to right with a probability of one half'),
    vertical_flip: z.boolean().default(false).describe('Mirror a copy top to bottom with a probability of one half'),
    rotation: z.number().min(0).max(180).default(10).describe('Rotate by up to this many degrees in either direction'),
    crop_scale: z.number().min(0.05).max(1).default(0.7).describe('Smallest part of the area that a crop keeps'),
    brightness: z.number().min(0).max(1).default(0.2).describe('Scale brightness by 1 - x to 1 + x'),
    contrast: z.number().min(0).max(1).default(0.2).describe('Scale contrast by 1 - x to 1 + x'),
    noise: z.number().min(0).max(0.5).default(0).describe('Share of pixels that become black or white'),
    robust: z.boolean().default(false).describe('Mix each copy with chains of simple operations (AugMix)'),
  })
  .transform(({ horizontal_flip, vertical_flip, crop_scale, ...same }) => ({
    ...same,
    horizontalFlip: horizontal_flip,
    verticalFlip: vertical_flip,
    cropScale: crop_scale,
  }));

/** The variations of training images; see `augmentationSchema` for ranges and meaning. */
export type Augmentation = z.output<typeof augmentationSchema>;

/** Augmentation as clients may write it: `robust` is short for `{ robust: true }`. */
export const augmentationOption = z.preprocess(
  (given: 'robust' | z.input<typeof augmentationSchema>) => (given === 'robust' ? { robust: true } : given),
  augmentationSchema,
);
