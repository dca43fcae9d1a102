import type { DecodeTurn } from '../image/decode.ts';
import { PRIORITIES, type Priority } from './priority.ts';

/**
 * Images of up to this many pixels need little memory (76 MB as AVIF, the hungriest format) and never wait for larger
 * ones. A photo takes milliseconds, an AVIF of this size half a second.
 */
const MAX_SMALL_PIXELS = 4_000_000;

/** Small images at once: two for each of libuv's four threads, so that no thread waits for the event loop. */
const SMALL_AT_ONCE = 8;
/** Pixels of small images at once: the largest of them leave one of libuv's four threads to photos. */
const SMALL_PIXELS_AT_ONCE = 3 * MAX_SMALL_PIXELS;

/** Large images at once: one of libuv's four threads stays free for small images, headers and files. */
const LARGE_AT_ONCE = 3;

/** Priority of an image, and the signal of its client. */
export interface DecodeRequest {
  readonly priority: Priority;
  /** Aborted when the client is gone: what waits is dropped; what runs in this process ends by itself. */
  readonly signal: AbortSignal;
}

interface Waiting {
  readonly pixels: number;
  readonly start: () => void;
}

/**
 * Bounds the images that are decoded at once, and with them the memory that decoding takes; says which is next.
 *
 * Interactive images go before bulk ones. Among images of one lane and priority the smallest and the oldest take turns:
 * a photo passes a crowd of larger images, and no large image waits for ever behind photos.
 */
export class DecodeQueue {
  readonly #small: Lane;
  readonly #large: Lane;

  /**
   * @param maxPixels the most pixels of large images that are decoded at once, which is also the most that one image
   * may have. libvips takes up to 19 bytes a pixel (AVIF; progressive JPEG takes 4): 950 MB for 50 million pixels.
   */
  constructor(maxPixels: number) {
    this.#small = new Lane(SMALL_AT_ONCE, SMALL_PIXELS_AT_ONCE);
    this.#large = new Lane(LARGE_AT_ONCE, maxPixels);
  }

  /** Images that wait for their turn. */
  get waiting(): number {
    return this.#small.waiting + this.#large.waiting;
  }

  /** The turn of an image whose size is not known yet. Throws the signal's reason when that is aborted in time. */
  turn(request: DecodeRequest): DecodeTurn {
    return (pixels, decode) => {
      const lane = pixels > MAX_SMALL_PIXELS ? this.#large : this.#small;
      return lane.run(pixels, request, decode);
    };
  }
}

/** Images of one range of sizes, which share a bound. */
class Lane {
  readonly #maxAtOnce: number;
  readonly #maxPixels: number;
  readonly #waiting: Readonly<Record<Priority, Set<Waiting>>> = {
    interactive: new Set(),
    bulk: new Set(),
    training: new Set(),
  };
  #running = 0;
  #runningPixels = 0;
  #smallestIsNext = false;

  constructor(maxAtOnce: number, maxPixels: number) {
    this.#maxAtOnce = maxAtOnce;
    this.#maxPixels = maxPixels;
  }

  get waiting(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.#waiting[priority].size, 0);
  }

  async run<T>(pixels: number, request: DecodeRequest, decode: (signal?: AbortSignal) => Promise<T>): Promise<T> {
    await this.#place(pixels, request);
    try {
      return await decode(request.signal);
    } finally {
      this.#running -= 1;
      this.#runningPixels -= pixels;
      this.#startNext();
    }
  }

  /** Settles when the image may be decoded; its place is taken then. */
  #place(pixels: number, { priority, signal }: DecodeRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const drop = (): void => {
        this.#waiting[priority].delete(waiting);
        reject(signal.reason);
        // Smaller images may have waited behind this one.
        this.#startNext();
      };
      const start = (): void => {
        signal.removeEventListener('abort', drop);
        this.#waiting[priority].delete(waiting);
        this.#running += 1;
        this.#runningPixels += pixels;
        resolve();
      };
      const waiting: Waiting = { pixels, start };
      this.#waiting[priority].add(waiting);
      signal.addEventListener('abort', drop, { once: true });
      this.#startNext();
    });
  }

  #startNext(): void {
    while (this.#running < this.#maxAtOnce) {
      const next = this.#next();
      if (next === undefined || !this.#fits(next)) return;
      this.#smallestIsNext = !this.#smallestIsNext;
      next.start();
    }
  }

  /** The oldest of the most urgent images; every other time, the smallest of them. */
  #next(): Waiting | undefined {
    const urgent = PRIORITIES.map((priority) => this.#waiting[priority]).find(({ size }) => size > 0);
    if (urgent === undefined) return undefined;
    let [next] = urgent;
    if (!this.#smallestIsNext) return next;
    for (const each of urgent) if (next !== undefined && each.pixels < next.pixels) next = each;
    return next;
  }

  #fits({ pixels }: Waiting): boolean {
    return this.#running === 0 || this.#runningPixels + pixels <= this.#maxPixels;
  }
}
