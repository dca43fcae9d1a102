import { z } from 'zod';

/** A share of images, 0..1. */
export const share = z.number().min(0).max(1);
/** A number of images or other things. */
export const count = z.number().int().nonnegative();
/** Bounds of a 95 % confidence interval. */
export const interval = z.tuple([share, share]);
/** An accuracy with its interval. */
export const score = z.object({ accuracy: share, interval });
