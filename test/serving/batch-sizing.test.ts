import { describe, expect, it } from 'vitest';
import { BatchSizing, type SessionKind } from '../../src/serving/batch-sizing.ts';

const SINGLE: SessionKind = { threads: 1, atOnce: 2 };
const DOUBLE: SessionKind = { threads: 2, atOnce: 1 };

/** CPU time of an image in ms, by the size of its batch. */
type Cost = (images: number, threads: number) => number;

/** Best in batches of 4; those of 16 take twice as long an image: they leave the cache. */
const cache: Cost = (images) => ({ 1: 12, 2: 11, 4: 10, 8: 13 })[images] ?? 20;

/** Serves batches while `waiting` images wait, and gives the sizes of all. */
function serve(sizing: BatchSizing, batches: number, cost: Cost, waiting = 64): { images: number; threads: number }[] {
  return Array.from({ length: batches }, () => {
    const threads = sizing.threads(waiting);
    const images = sizing.images(threads, waiting);
    sizing.record(threads, images, images * cost(images, threads));
    return { images, threads };
  });
}

/** The size of the batch in the middle. */
const usual = (batches: readonly { images: number }[]): number =>
  batches.map(({ images }) => images).toSorted((a, b) => a - b)[batches.length >> 1] ?? 0;

describe('the size of a batch', () => {
  it('is the one whose images cost least, not the largest', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    serve(sizing, 50, cache);
    expect(usual(serve(sizing, 100, cache))).toBe(4);
  });

  it('is the largest where images cost less the more there are', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    serve(sizing, 50, (images) => 10 + 10 / images);
    expect(usual(serve(sizing, 100, (images) => 10 + 10 / images))).toBe(16);
  });

  it('costs at most 2 % more than the best fixed size, with the measuring of the others', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    serve(sizing, 50, cache);
    const served = serve(sizing, 2000, cache);
    const images = served.reduce((sum, each) => sum + each.images, 0);
    const ms = served.reduce((sum, each) => sum + each.images * cache(each.images, 1), 0);
    expect(ms / images / 10).toBeLessThan(1.02);
  });

  it('follows the model when another size becomes the best', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    serve(sizing, 200, cache);
    const other: Cost = (images) => (images === 8 ? 8 : 10);
    serve(sizing, 3000, other);
    expect(usual(serve(sizing, 100, other))).toBe(8);
  });

  it('is not changed by a few runs that were slow for another reason', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    serve(sizing, 100, cache);
    serve(sizing, 4, () => 500);
    expect(usual(serve(sizing, 100, cache))).toBe(4);
  });

  it('is not changed by a machine that becomes three times slower, and again faster', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    serve(sizing, 100, cache);
    const slow = serve(sizing, 300, (images) => 3 * cache(images, 1));
    const fast = serve(sizing, 300, cache);
    for (const served of [slow, fast]) {
      expect(served.slice(0, 100).filter(({ images }) => images === 4).length).toBeGreaterThan(90);
      expect(served.filter(({ images }) => images === 4).length).toBeGreaterThan(250);
    }
  });

  it('is one for an image that is alone, whatever was learned', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    serve(sizing, 100, (images) => 20 / images);
    expect(sizing.images(1, 1)).toBe(1);
  });

  it("is no more than one engine's share of the images that wait, and no more than the limit", () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    expect(sizing.images(1, 5)).toBe(3);
    expect(sizing.images(1, 100)).toBe(16);
  });

  it('is learned from few images too: the share of a little loaded server is not always the best', () => {
    const sizing = new BatchSizing(16, [SINGLE]);
    const small: Cost = (images) => (images === 1 ? 10 : 15);
    serve(sizing, 30, small, 6);
    expect(usual(serve(sizing, 100, small, 6))).toBe(1);
  });
});

describe('the threads of a session under load', () => {
  const kinds = [SINGLE, DOUBLE] as const;

  it('stay as they are where more threads cost more', () => {
    const sizing = new BatchSizing(16, kinds);
    const cost: Cost = (images, threads) => cache(images, threads) * threads;
    serve(sizing, 1000, cost);
    const served = serve(sizing, 1000, cost);
    expect(served.filter(({ threads }) => threads === 2).length).toBeLessThan(10);
  });

  it('become more where that is cheaper, as for weights that fill the cache only once', () => {
    const sizing = new BatchSizing(16, kinds);
    const cost: Cost = (_, threads) => (threads === 2 ? 8 : 10);
    serve(sizing, 1000, cost);
    const served = serve(sizing, 1000, cost);
    expect(served.filter(({ threads }) => threads === 2).length).toBeGreaterThan(950);
  });

  it('are those of the first kind when nothing waits', () => {
    const sizing = new BatchSizing(16, kinds);
    serve(sizing, 1000, (_, threads) => (threads === 2 ? 8 : 10));
    expect(sizing.threads(1)).toBe(1);
  });
});
