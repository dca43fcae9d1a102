import type { ImageTimings } from './metrics.ts';

/** How often something happened, and the milliseconds that it took in all. */
export interface CountAndTime {
  readonly count: number;
  readonly ms: number;
}

/** Batches of one size. */
interface BatchStatistics {
  readonly images: number;
  readonly batches: CountAndTime;
}

/** What a version of a model has computed since the server started, on all runtimes. */
export interface ModelStatistics {
  /** When the last image was computed, in milliseconds since 1970; 0 when none was. */
  readonly lastImageAt: number;
  readonly succeeded: CountAndTime;
  readonly failed: CountAndTime;
  /** Waits for an engine. */
  readonly queued: CountAndTime;
  /** Decoding and resizing. */
  readonly decoded: CountAndTime;
  /** Runs of the network; an image has the time of its whole batch. */
  readonly computed: CountAndTime;
  /** By number of images, the smallest first. */
  readonly batches: readonly BatchStatistics[];
}

/** A version of a model. */
interface Version {
  readonly name: string;
  readonly version: number;
}

const NONE: CountAndTime = { count: 0, ms: 0 };
const NOTHING: ModelStatistics = {
  lastImageAt: 0,
  succeeded: NONE,
  failed: NONE,
  queued: NONE,
  decoded: NONE,
  computed: NONE,
  batches: [],
};

/** Counts what each version of a model computes, for clients that measure it. */
export class InferenceStatistics {
  readonly #versions = new Map<string, ModelStatistics>();

  /** @returns zeros for a version that has computed nothing */
  of(version: Version): ModelStatistics {
    return this.#versions.get(keyOf(version)) ?? NOTHING;
  }

  countImage(version: Version, { decodeMs, queueMs, inferenceMs }: ImageTimings): void {
    const before = this.of(version);
    this.#versions.set(keyOf(version), {
      ...before,
      lastImageAt: Date.now(),
      succeeded: plus(before.succeeded, decodeMs + queueMs + inferenceMs),
      queued: plus(before.queued, queueMs),
      decoded: plus(before.decoded, decodeMs),
      computed: plus(before.computed, inferenceMs),
    });
  }

  countFailure(version: Version, ms: number): void {
    const before = this.of(version);
    this.#versions.set(keyOf(version), { ...before, failed: plus(before.failed, ms) });
  }

  countBatch(version: Version, images: number, ms: number): void {
    const before = this.of(version);
    const others = before.batches.filter((each) => each.images !== images);
    const same = before.batches.find((each) => each.images === images)?.batches ?? NONE;
    const batches = [...others, { images, batches: plus(same, ms) }].sort((a, b) => a.images - b.images);
    this.#versions.set(keyOf(version), { ...before, batches });
  }
}

function keyOf({ name, version }: Version): string {
  return `${name}@${version}`;
}

function plus({ count, ms }: CountAndTime, more: number): CountAndTime {
  return { count: count + 1, ms: ms + more };
}
