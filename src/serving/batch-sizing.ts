/** A kind of session of a model: how many threads it has, and how many of its kind can run at once. */
export interface SessionKind {
  readonly threads: number;
  readonly atOnce: number;
}

/** Runs of one kind and size that are measured before it is compared, so that one slow run decides nothing. */
const FIRST_RUNS = 3;
/** Runs of one kind and size that count; older ones are forgotten. */
const KEPT_RUNS = 9;
/**
 * Runs, of all kinds and sizes, that say how fast the machine is now. When it becomes slower, more than half of them say
 * so before half of the runs that count of one size do.
 */
const RECENT_RUNS = 5;
/** Every so many batches another size is measured again; half a hundredth of the throughput goes into that. */
const RETRY_SIZE_EVERY = 32;
/**
 * Every so many batches the sessions with the other number of threads are measured, before and after they are known:
 * that takes the time of a whole batch more, since the cores must be free first.
 */
const FIRST_KIND_EVERY = 64;
const RETRY_KIND_EVERY = 256;
/** What costs this many times the best is measured `RARELY` times less often. */
const HOPELESS = 1.15;
const RARELY = 4;
/** What costs this share more than the cheapest is as good: the noise of the measurement is greater. */
const EQUAL = 0.005;

/** Measurements of batches of `images` images, or of more but fewer than the next size. */
interface Size {
  readonly images: number;
  /** Costs of an image relative to the machine's speed at that time, the newest last. */
  readonly costs: number[];
  /** When it was last chosen to be measured, counted in batches. */
  triedAt: number;
}

interface Kind extends SessionKind {
  readonly sizes: readonly Size[];
  batches: number;
  retries: number;
}

/**
 * Chooses how many images make a batch, and on how many threads, from what an image cost in earlier batches.
 *
 * The cost is CPU time: on a loaded server every core is busy, so that the images per second are the cores divided by
 * the CPU time of an image, and unlike the duration of a run it is hardly longer when other processes have the cores
 * meanwhile. Nothing is computed to measure: the first batches of a loaded server have different sizes, and later one
 * in 32 has another size than the best. So a start takes no longer, and nothing needs to be kept.
 *
 * The machine's speed changes by a factor of three when its neighbours work. Each cost is therefore divided by that of
 * the other recent runs, each relative to what its own size usually costs: a slow minute makes all sizes slower alike
 * and changes no order. Of the last nine costs of a size the median counts.
 *
 * No image waits for a batch to fill: what waits is the most that is taken. On two cores with 64 images in flight,
 * batches of 1, 4 and 16 gave 440, 554 and 608 images a second with a ResNet-18 for 64 x 64 pixels, and 129, 147 and
 * 148 with EfficientNet-Lite0; one session of two threads gave 502 and 134 at best.
 */
export class BatchSizing {
  readonly #kinds: readonly [Kind, ...Kind[]];
  readonly #recent: { readonly size: Size; readonly cost: number }[] = [];
  #choices = 0;

  /**
   * @param maxImages the most images in one batch, at least 1
   * @param kinds the first is used until another one has proved cheaper
   */
  constructor(maxImages: number, kinds: readonly [SessionKind, ...SessionKind[]]) {
    const kindOf = (kind: SessionKind): Kind => ({ ...kind, sizes: sizesUpTo(maxImages), batches: 0, retries: 0 });
    const [first, ...others] = kinds;
    this.#kinds = [kindOf(first), ...others.map(kindOf)];
  }

  /** Threads of the session to ask for when `waiting` images wait. */
  threads(waiting: number): number {
    const [first, ...others] = this.#kinds;
    // A lone image says nothing about a loaded server.
    if (waiting < 2 * first.atOnce || others.length === 0) return first.threads;
    this.#choices += 1;
    const best = this.#bestKind();
    const rest = this.#kinds.filter((kind) => kind !== best);
    const due = rest.find((kind, index) => {
      if (!isKnown(kind)) return this.#choices % FIRST_KIND_EVERY === index;
      const isHopeless = costOf(kind) > HOPELESS * costOf(best);
      return this.#choices % (RETRY_KIND_EVERY * (isHopeless ? RARELY : 1)) === index;
    });
    return (due ?? best).threads;
  }

  /**
   * How many images the next batch takes, 1 to `waiting`: no more than this session's share, so that no engine is idle
   * while another one has all of them.
   */
  images(threads: number, waiting: number): number {
    const kind = this.#kind(threads);
    const share = Math.ceil(waiting / kind.atOnce);
    const possible = kind.sizes.filter(({ images }) => images <= share);
    const largest = possible.at(-1);
    if (largest === undefined) return share;
    kind.batches += 1;
    // The largest first: it is the best of most models.
    const unknown = possible.findLast(({ costs }) => costs.length < FIRST_RUNS);
    if (unknown !== undefined) return this.#choose(unknown, kind, share);
    const best = cheapest(possible) ?? largest;
    if (kind.batches % RETRY_SIZE_EVERY === 0) {
      kind.retries += 1;
      const rivals = possible.filter(
        (size) => size !== best && (kind.retries % RARELY === 0 || !isHopeless(size, best)),
      );
      const oldest = rivals.toSorted((a, b) => a.triedAt - b.triedAt)[0];
      if (oldest !== undefined) return this.#choose(oldest, kind, share);
    }
    return this.#choose(best, kind, share);
  }

  /**
   * Takes note of a batch that was computed.
   * @param cpuMs CPU time that the batch took, in milliseconds
   */
  record(threads: number, images: number, cpuMs: number): void {
    const size = this.#kind(threads).sizes.findLast((each) => each.images <= images);
    if (size === undefined || !(cpuMs > 0)) return;
    const cost = cpuMs / images;
    const known = this.#recent.filter((run) => run.size.costs.length > 0);
    const speed = known.length > 0 ? median(known.map((run) => run.cost / median(run.size.costs))) : cost;
    push(size.costs, cost / speed, KEPT_RUNS);
    push(this.#recent, { size, cost }, RECENT_RUNS);
  }

  /** The whole share when it is less than the next size: it counts as this size. */
  #choose(size: Size, kind: Kind, share: number): number {
    size.triedAt = kind.batches;
    const next = kind.sizes[kind.sizes.indexOf(size) + 1];
    return next !== undefined && share < next.images ? share : size.images;
  }

  #kind(threads: number): Kind {
    return this.#kinds.find((kind) => kind.threads === threads) ?? this.#kinds[0];
  }

  #bestKind(): Kind {
    const [first, ...others] = this.#kinds;
    const better = others.filter((kind) => isKnown(kind) && costOf(kind) < (1 - EQUAL) * costOf(first));
    return better.toSorted((a, b) => costOf(a) - costOf(b))[0] ?? first;
  }
}

/** Powers of two and the maximum: the cost of an image changes slowly with the size of its batch. */
function sizesUpTo(maxImages: number): Size[] {
  const sizes: number[] = [];
  for (let images = 1; images < maxImages; images *= 2) sizes.push(images);
  return [...sizes, maxImages].map((images) => ({ images, costs: [], triedAt: 0 }));
}

function isKnown({ sizes }: Kind): boolean {
  return sizes.some(({ images, costs }) => images > 1 && costs.length >= FIRST_RUNS);
}

/** The cost of an image on a loaded server; infinite as long as it has not been measured. */
function costOf({ sizes }: Kind): number {
  const known = sizes.filter(({ costs }) => costs.length >= FIRST_RUNS);
  return Math.min(...known.map(({ costs }) => median(costs)));
}

/** The smallest size that costs hardly more than the cheapest: its answers come sooner. */
function cheapest(sizes: readonly Size[]): Size | undefined {
  const least = Math.min(...sizes.map(({ costs }) => median(costs)));
  return sizes.find(({ costs }) => median(costs) <= (1 + EQUAL) * least);
}

function isHopeless({ costs }: Size, best: Size): boolean {
  return median(costs) > HOPELESS * median(best.costs);
}

function push<T>(list: T[], value: T, most: number): void {
  list.push(value);
  if (list.length > most) list.shift();
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.POSITIVE_INFINITY;
}
