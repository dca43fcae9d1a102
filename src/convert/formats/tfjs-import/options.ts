import { z } from 'zod';
import type { Pair } from '../../graph/windows.ts';

/** Options that several Keras layers share, with the defaults of Keras where an option is left out. */

const size = z.int().positive();

/** One number stands for both directions. */
export const pairOption = z.union([size.transform((side): Pair => [side, side]), z.tuple([size, size])]);
export const paddingOption = z.enum(['valid', 'same'], 'only "valid" and "same" can be read').default('valid');
export const channelsLastOption = z
  .literal('channels_last', 'only "channels_last" can be read')
  .default('channels_last');
/** By its name; null is no function at all. */
export const activationOption = z
  .string('functions of a class of their own cannot be read')
  .nullish()
  .transform((name) => name ?? 'linear');
