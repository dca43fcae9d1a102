import { z } from 'zod';
import { PREFERENCES } from '../search/pareto-front.ts';
import { COPY_CHOICES, LAYER_CHOICES } from '../search/space.ts';
import { count, share } from './figures-schema.ts';

/** A fit of a quick search. */
export const trialSchema = z.object({
  features: z.string(),
  augmented: z.boolean(),
  hidden_units: z.array(count),
  learning_rate_factor: z.number(),
  weight_decay_factor: z.number(),
  accuracy: share,
  loss: z.number(),
  chosen: z.boolean(),
});

/** A thorough search. The accuracies are cross-validated; that of the test has no part in it. */
export const automaticSearchSchema = z.object({
  prefer: z.enum(PREFERENCES),
  budget_minutes: z.number(),
  /** Whether candidates were left out for lack of time. */
  out_of_time: z.boolean(),
  /** Folds equal to the images mean that each is left out in turn. */
  rungs: z.array(z.object({ images: count, folds: count, solved: z.boolean() })),
  trials: z.array(
    z.object({
      /** From 1. */
      rung: count,
      images: count,
      backbone: z.string(),
      layers: z.enum(LAYER_CHOICES),
      copies: z.enum(COPY_CHOICES),
      /** Whether the head is solved for; then the fields below it do not count. */
      solved: z.boolean(),
      hidden_units: z.array(count),
      dropout: share,
      weight_decay_factor: z.number(),
      accuracy: share,
      /** Standard error of the accuracy. */
      spread: z.number(),
      /** Of the backbone for one image on one thread. */
      latency_ms: z.number(),
      /** When it began: what was left, what it was to take, and what was kept for the training after the search. */
      clock: z.object({ seconds_left: z.number(), expected_seconds: z.number(), reserved_seconds: z.number() }),
      /** Whether no trial of the last rung is more accurate without being slower. */
      front: z.boolean(),
      chosen: z.boolean(),
    }),
  ),
  left_out: z.array(z.object({ backbone: z.string(), reason: z.string() })),
});
