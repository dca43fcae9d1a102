import type { Random } from '../../src/common/random.ts';

/** Time until the next arrival of a Poisson process: exponentially distributed, with mean 1 / `rate`. */
export function nextGap(rate: number, random: Pick<Random, 'next'>): number {
  return -Math.log(1 - random.next()) / rate;
}
