import { z } from 'zod';
import type { Random } from '../../src/common/random.ts';
import type { Costs, Machine } from './simulate.ts';

const milliseconds = z.number().nonnegative();

/** What was measured of a model on a core: CPU time and memory. */
export const figuresSchema = z.strictObject({
  model: z.string(),
  /** CPU milliseconds of an image on the HTTP thread. */
  http_ms: milliseconds,
  /** CPU milliseconds of an image on the other threads of the server: decoding, resizing, garbage. */
  decode_ms: milliseconds,
  /** Images of a batch and CPU milliseconds of it on an engine, ascending, beginning with one image. */
  batches: z
    .array(z.tuple([z.int().positive(), z.number().positive()]))
    .min(1)
    .refine(([first]) => first?.[0] === 1, { error: 'must begin with a batch of one image' }),
  /** Megabytes of the server, and of an engine with the model. */
  server_mb: z.number().positive(),
  engine_mb: z.number().positive(),
});
export type Figures = z.output<typeof figuresSchema>;

/** CPU milliseconds of a batch: between two measured sizes on the line between them, beyond the largest in proportion. */
export function batchMs({ batches }: Pick<Figures, 'batches'>, images: number): number {
  const after = batches.findIndex(([size]) => size >= images);
  const [largest, ms] = batches.at(-1) ?? [1, 0];
  if (after < 0) return (ms * images) / largest;
  const [size, cost] = batches[after] ?? [images, ms];
  const [below, costBelow] = batches[after - 1] ?? [size, cost];
  return size === below ? cost : costBelow + ((cost - costBelow) * (images - below)) / (size - below);
}

/** The size of batches up to `most` that costs least CPU time an image, as the server finds out. */
export function cheapestBatch(figures: Pick<Figures, 'batches'>, most: number): number {
  const sizes = Array.from({ length: most }, (_, index) => index + 1);
  const cost = (size: number) => batchMs(figures, size) / size;
  return sizes.reduce((best, size) => (cost(size) < cost(best) ? size : best), 1);
}

/** CPU milliseconds of an image on a loaded server. */
export function imageMs(figures: Figures, maxBatch: number): number {
  const size = cheapestBatch(figures, maxBatch);
  return figures.http_ms + figures.decode_ms + batchMs(figures, size) / size;
}

/** The most images a second that a machine can answer: its cores, or the single HTTP threads, are always busy. */
export function saturation(figures: Figures, { cores, processes, decoders, maxBatch }: Machine): number {
  const limits = [
    cores / imageMs(figures, maxBatch),
    processes / figures.http_ms,
    (processes * decoders) / figures.decode_ms,
  ];
  return 1000 * Math.min(...limits);
}

/**
 * Costs whose means are the figures. Each draw is log-normal.
 * @param variation standard deviation of a draw, as a share of its mean; 0 for none
 */
export function costsOf(figures: Figures, variation: number, random: Random): Costs {
  const sigma = Math.sqrt(Math.log(1 + variation ** 2));
  const vary = (mean: number): number =>
    sigma === 0 ? mean : mean * Math.exp(sigma * random.normal() - sigma ** 2 / 2);
  return {
    http: () => vary(figures.http_ms),
    decode: () => vary(figures.decode_ms),
    batch: (images) => vary(batchMs(figures, images)),
  };
}
