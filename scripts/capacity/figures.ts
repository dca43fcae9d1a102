import { z } from 'zod';
import type { Random } from '../../src/common/random.ts';
import type { Costs, Machine } from './simulate.ts';

const milliseconds = z.number().nonnegative();

/** CPU milliseconds of an image in a server with some load. */
const loadSchema = z.strictObject({
  /** Images per second and core of the machine. */
  rate: z.number().positive(),
  /** On the HTTP thread. */
  http_ms: milliseconds,
  /** On the other threads of the server: decoding, resizing, garbage. */
  decode_ms: milliseconds,
  /** Times by which the batches below cost more, or less, than with every core busy. */
  batch_factor: z.number().positive(),
});

/** What was measured of a model on a core: CPU time and memory. */
export const figuresSchema = z.strictObject({
  model: z.string(),
  /** From the least load to the most: the less a server has to do, the colder are its caches. */
  loads: z.array(loadSchema).min(1),
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

/** CPU milliseconds of an image in a server with one load. */
export interface ImageCosts {
  readonly http_ms: number;
  readonly decode_ms: number;
  /** As in the figures. */
  readonly batches: Figures['batches'];
}

/**
 * What an image costs in a server: between two measured loads on the line between them, below and beyond them as at the
 * nearest.
 * @param rate images per second that the server answers, and core of its machine
 */
export function costsAt({ loads, batches }: Pick<Figures, 'loads' | 'batches'>, rate: number): ImageCosts {
  const after = loads.findIndex((load) => load.rate >= rate);
  const upper = loads.at(after);
  const lower = after > 0 ? loads[after - 1] : upper;
  if (upper === undefined || lower === undefined) throw new Error('there are no figures');
  const gap = upper.rate - lower.rate;
  const share = gap === 0 ? 1 : (rate - lower.rate) / gap;
  const between = (of: 'http_ms' | 'decode_ms' | 'batch_factor') => lower[of] + share * (upper[of] - lower[of]);
  const factor = between('batch_factor');
  return {
    http_ms: between('http_ms'),
    decode_ms: between('decode_ms'),
    batches: batches.map(([images, ms]) => [images, factor * ms]),
  };
}

/** The costs in a server that is always busy. */
export function fullCosts(figures: Pick<Figures, 'loads' | 'batches'>): ImageCosts {
  return costsAt(figures, Number.POSITIVE_INFINITY);
}

/** Until two rates in a row differ by less than anybody measures. */
const ROUNDS = 50;

/** CPU milliseconds of a batch: between two measured sizes on the line between them, beyond the largest in proportion. */
export function batchMs({ batches }: Pick<ImageCosts, 'batches'>, images: number): number {
  const after = batches.findIndex(([size]) => size >= images);
  const [largest, ms] = batches.at(-1) ?? [1, 0];
  if (after < 0) return (ms * images) / largest;
  const [size, cost] = batches[after] ?? [images, ms];
  const [below, costBelow] = batches[after - 1] ?? [size, cost];
  return size === below ? cost : costBelow + ((cost - costBelow) * (images - below)) / (size - below);
}

/** The size of batches up to `most` that costs least CPU time an image, as the server finds out. */
export function cheapestBatch(costs: Pick<ImageCosts, 'batches'>, most: number): number {
  const sizes = Array.from({ length: most }, (_, index) => index + 1);
  const cost = (size: number) => batchMs(costs, size) / size;
  return sizes.reduce((best, size) => (cost(size) < cost(best) ? size : best), 1);
}

/** CPU milliseconds of an image in batches of the cheapest size. */
export function imageMs(costs: ImageCosts, maxBatch: number): number {
  const size = cheapestBatch(costs, maxBatch);
  return costs.http_ms + costs.decode_ms + batchMs(costs, size) / size;
}

/** The most images a second that a machine can answer: its cores, or the single HTTP threads, are always busy. */
export function saturation(figures: Figures, { cores, processes, decoders, maxBatch }: Machine): number {
  let rate = Number.POSITIVE_INFINITY;
  // What an image costs depends on the rate, and the rate on the cost: from above to where both agree.
  for (let round = 0; round < ROUNDS; round++) {
    const costs = costsAt(figures, rate / processes / cores);
    const { http_ms, decode_ms } = costs;
    const limits = [cores / imageMs(costs, maxBatch), processes / http_ms, (processes * decoders) / decode_ms];
    rate = 1000 * Math.min(...limits);
  }
  return rate;
}

/**
 * Costs with these means. Each draw is log-normal.
 * @param variation standard deviation of a draw, as a share of its mean; 0 for none
 */
export function costsOf(means: ImageCosts, variation: number, random: Random): Costs {
  const sigma = Math.sqrt(Math.log(1 + variation ** 2));
  const vary = (mean: number): number =>
    sigma === 0 ? mean : mean * Math.exp(sigma * random.normal() - sigma ** 2 / 2);
  return {
    http: () => vary(means.http_ms),
    decode: () => vary(means.decode_ms),
    batch: (images) => vary(batchMs(means, images)),
  };
}
