/** A seeded generator of random numbers. The same seed gives the same sequence on every machine. */
export interface Random {
  /** Uniformly distributed in [0, 1). */
  next(): number;
  /** Normally distributed with mean 0 and variance 1. */
  normal(): number;
  /** A uniformly distributed integer in 0..limit-1. */
  below(limit: number): number;
  /** Shuffles the items in place (Fisher-Yates) and returns them. */
  shuffle<T extends Int32Array | unknown[]>(items: T): T;
}

/**
 * Creates a generator of the algorithm sfc32 (Chris Doty-Humphrey's Small Fast Counter, 128 bits of state).
 *
 * @param stream gives each use of a seed its own sequence, so that, for example, dropout does not change the order of
 * the training samples
 */
export function seededRandom(seed: number, stream = 0): Random {
  let a = seed >>> 0;
  // The upper bits of a seed larger than 32 bits.
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = stream >>> 0;
  let counter = 1;

  function bits(): number {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  }
  // Mixes the seed into the whole state.
  for (let round = 0; round < 16; round++) bits();

  const next = (): number => bits() / 2 ** 32;
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle: (items) => {
      for (let last = items.length - 1; last > 0; last--) {
        const other = below(last + 1);
        const held = items[last];
        items[last] = items[other];
        items[other] = held;
      }
      return items;
    },
  };
}
