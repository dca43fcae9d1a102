import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../src/http/buffer-pool.ts';

const memoryOf = ({ bytes }: { readonly bytes: Buffer }): ArrayBufferLike => bytes.buffer;

describe('a pool of buffers', () => {
  it('lends as many bytes as are asked for', () => {
    const pool = new BufferPool();
    expect([0, 1, 65_536, 65_537, 2_000_000].map((length) => pool.take(length).bytes.length)).toEqual([
      0, 1, 65_536, 65_537, 2_000_000,
    ]);
  });

  it('lends again what was given back, to bodies of about the same size', () => {
    const pool = new BufferPool();
    const first = pool.take(100_000);
    first.release();
    expect(memoryOf(pool.take(120_000))).toBe(memoryOf(first));
  });

  it('never lends the same memory twice, even when it is given back twice', () => {
    const pool = new BufferPool();
    const first = pool.take(100_000);
    first.release();
    first.release();
    expect(memoryOf(pool.take(100_000))).not.toBe(memoryOf(pool.take(100_000)));
  });

  it('keeps no more than it may', () => {
    const pool = new BufferPool();
    const lent = Array.from({ length: 40 }, () => pool.take(1024 * 1024));
    for (const { release } of lent) release();
    const known = new Set(lent.map(memoryOf));
    const again = Array.from({ length: 40 }, () => memoryOf(pool.take(1024 * 1024)));
    expect(again.filter((memory) => known.has(memory))).toHaveLength(32);
  });
});
