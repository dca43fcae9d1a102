import { describe, expect, it } from 'vitest';
import { DecodeQueue, type DecodeRequest } from '../../src/serving/decode-queue.ts';

const MEGAPIXEL = 1_000_000;
const HUGE = 49 * MEGAPIXEL;
const PHOTO = 12 * MEGAPIXEL;
const SMALL = 0.2 * MEGAPIXEL;

/** A queue for 50 million pixels, whose decodings end when they are told to. */
function decodings() {
  const queue = new DecodeQueue(50 * MEGAPIXEL);
  const started: string[] = [];
  const finish = new Map<string, () => void>();
  const add = (
    name: string,
    pixels: number,
    { priority = 'interactive', signal = new AbortController().signal }: Partial<DecodeRequest> = {},
  ): Promise<string> =>
    queue.turn({ priority, signal })(pixels, () => {
      started.push(name);
      return new Promise((resolve) => finish.set(name, () => resolve(name)));
    });
  const settled = () => new Promise(setImmediate);
  /** Ends a decoding and waits until its place is given away. */
  const end = async (name: string): Promise<void> => {
    await settled();
    finish.get(name)?.();
    await settled();
  };
  return { queue, started, add, end, settled };
}

describe('a decode queue', () => {
  it('decodes one huge image at a time, and small ones beside it', async () => {
    const { started, add, settled, queue } = decodings();
    void add('huge 1', HUGE);
    void add('huge 2', HUGE);
    for (let i = 0; i < 8; i++) void add(`small ${i}`, SMALL);
    void add('small 8', SMALL);
    await settled();
    expect(started).toEqual(['huge 1', ...Array.from({ length: 8 }, (_, i) => `small ${i}`)]);
    expect(queue.waiting).toBe(2);
  });

  it('decodes large images side by side as far as their pixels fit, three at most', async () => {
    const { started, add, settled } = decodings();
    for (let i = 0; i < 4; i++) void add(`photo ${i}`, PHOTO);
    await settled();
    expect(started).toEqual(['photo 0', 'photo 1', 'photo 2']);
  });

  it.each([
    ['huge', HUGE, PHOTO, 1],
    ['small', 4 * MEGAPIXEL, SMALL, 3],
  ])('lets a photo pass a crowd of %s images that are larger', async (_, crowd, photo, atOnce) => {
    const { started, add, end } = decodings();
    for (let i = 0; i < 64; i++) void add(`crowd ${i}`, crowd);
    void add('photo', photo);
    await end('crowd 0');
    await end(started.at(-1) ?? '');
    expect(started.slice(0, atOnce + 2)).toContain('photo');
  });

  it('lets no huge image wait for ever behind photos', async () => {
    const { started, add, end } = decodings();
    for (let i = 0; i < 3; i++) void add(`photo ${i}`, PHOTO);
    void add('huge', HUGE);
    for (let next = 3; !started.includes('huge'); next++) {
      expect(next).toBeLessThan(10);
      void add(`photo ${next}`, PHOTO);
      await end(`photo ${next - 3}`);
    }
  });

  it.each([
    ['small', SMALL, 8],
    ['large', PHOTO, 3],
  ])('decodes %s interactive images before bulk ones that came earlier', async (_, pixels, atOnce) => {
    const { started, add, end } = decodings();
    for (let i = 0; i < atOnce + 1; i++) void add(`bulk ${i}`, pixels, { priority: 'bulk' });
    void add('interactive', pixels);
    await end('bulk 0');
    expect(started.at(-1)).toBe('interactive');
    await end('bulk 1');
    expect(started.at(-1)).toBe(`bulk ${atOnce}`);
  });

  it('drops what waits when its client goes; what runs keeps its place until it ends', async () => {
    const { started, add, end, settled, queue } = decodings();
    const client = new AbortController();
    const dropped = Array.from({ length: 64 }, (_, i) => add(`huge ${i}`, HUGE, { signal: client.signal }));
    const other = add('other', PHOTO);
    client.abort(new Error('the client left'));
    for (const each of dropped.slice(1)) await expect(each).rejects.toThrow('the client left');
    await settled();
    expect(queue.waiting).toBe(1);
    expect(started).toEqual(['huge 0']);
    await end('huge 0');
    expect(started).toEqual(['huge 0', 'other']);
    await end('other');
    await expect(other).resolves.toBe('other');
  });

  it('starts what a dropped image held up', async () => {
    const { started, add, settled } = decodings();
    const client = new AbortController();
    void add('photo', PHOTO);
    const huge = add('huge', HUGE, { signal: client.signal });
    void add('photo behind', PHOTO);
    client.abort(new Error('the client left'));
    await expect(huge).rejects.toThrow('the client left');
    await settled();
    expect(started).toEqual(['photo', 'photo behind']);
  });

  it('does not start for a client that has gone already', async () => {
    const { started, add } = decodings();
    await expect(add('late', SMALL, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
    expect(started).toEqual([]);
  });

  it('goes on after an image that cannot be decoded', async () => {
    const queue = new DecodeQueue(MEGAPIXEL);
    const turn = queue.turn({ priority: 'interactive', signal: new AbortController().signal });
    const broken = Array.from({ length: 20 }, () => turn(SMALL, () => Promise.reject(new Error('damaged'))));
    const fine = turn(SMALL, async () => 'fine');
    for (const each of broken) await expect(each).rejects.toThrow('damaged');
    await expect(fine).resolves.toBe('fine');
  });
});
