import type { Random } from '../../src/common/random.ts';
import { nextGap } from '../bench/poisson.ts';
import { Heap } from './heap.ts';

/** How long each part of an answer keeps a core busy, in milliseconds, one draw at a time. */
export interface Costs {
  /** On the HTTP thread. */
  readonly http: () => number;
  /** On a thread that decodes. */
  readonly decode: () => number;
  /** Of so many images on an engine. */
  readonly batch: (images: number) => number;
}

/** A machine: its cores, which all threads share evenly, and the processes of the server on it. */
export interface Machine {
  readonly cores: number;
  /** Each request goes to one of them at random. */
  readonly processes: number;
  /** Of each process. */
  readonly decoders: number;
  readonly engines: number;
  /** The most images of a batch. A free engine takes its share of what waits, up to so many. */
  readonly maxBatch: number;
  /** Images in a process beyond which more are refused. */
  readonly queueLimit: number;
}

/** What clients send to a machine, at the times of a Poisson process. */
export interface Load {
  /** Images per second. */
  readonly rate: number;
  /** Images in all. The first tenth, which find an idle machine, are not measured. */
  readonly images: number;
}

/** What clients of a machine see. */
export interface Outcome {
  /** From the arrival of an image to its answer, in milliseconds, ascending. */
  readonly latencies: readonly number[];
  /** Share of the images that were refused. */
  readonly refused: number;
  /** Mean images of a batch. */
  readonly batch: number;
  /** Share of the cores that were busy. */
  readonly utilisation: number;
  /** Answers per second. */
  readonly throughput: number;
}

interface Image {
  readonly arrivedAt: number;
  readonly index: number;
}

/** Threads of one kind in one process, and the images that wait for one of them. */
interface Stage {
  free: number;
  readonly waiting: Image[];
  readonly process: Process;
  /** Takes images that wait. @returns them, and how long they take */
  readonly take: (waiting: Image[]) => { readonly images: Image[]; readonly ms: number };
  readonly next: () => Stage | undefined;
}

interface Process {
  images: number;
  readonly first: Stage;
}

const WARM_UP = 0.1;

/**
 * Simulates a machine, event by event: each image passes the HTTP thread, a thread that decodes and an engine. Threads
 * that run share the cores evenly: `n` of them run at the speed `min(1, cores / n)`. All have the same speed at any
 * time, so they end in the order of a virtual time that runs with it, and one heap is enough.
 */
export function simulate(load: Load, machine: Machine, costs: Costs, random: Random): Outcome {
  const processes = Array.from({ length: machine.processes }, () => createProcess(machine, costs));
  const running = new Heap<{ readonly stage: Stage; readonly images: readonly Image[] }>();
  const latencies: number[] = [];
  let [now, virtual, busy] = [0, 0, 0];
  let [arrived, refused, answered, batches, batched] = [0, 0, 0, 0, 0];

  const speed = (): number => Math.min(1, machine.cores / running.size);
  const advance = (to: number): void => {
    if (running.size > 0) virtual += (to - now) * speed();
    busy += (to - now) * Math.min(running.size, machine.cores);
    now = to;
  };
  const begin = (stage: Stage): void => {
    while (stage.free > 0 && stage.waiting.length > 0) {
      const { images, ms } = stage.take(stage.waiting);
      stage.free -= 1;
      running.add(virtual + ms, { stage, images });
    }
  };
  const enter = (stage: Stage, image: Image): void => {
    stage.waiting.push(image);
    begin(stage);
  };
  const answer = (process: Process, images: readonly Image[]): void => {
    batches += 1;
    batched += images.length;
    process.images -= images.length;
    answered += images.length;
    for (const { arrivedAt, index } of images) {
      if (index >= WARM_UP * load.images) latencies.push(now - arrivedAt);
    }
  };
  const finish = (): void => {
    virtual = running.leastKey;
    const { stage, images } = running.take();
    stage.free += 1;
    const next = stage.next();
    if (next === undefined) answer(stage.process, images);
    else for (const image of images) enter(next, image);
    begin(stage);
  };

  let nextArrival = 1000 * nextGap(load.rate, random);
  while (arrived < load.images || running.size > 0) {
    const nextEnd = running.size === 0 ? Number.POSITIVE_INFINITY : now + (running.leastKey - virtual) / speed();
    if (arrived < load.images && nextArrival <= nextEnd) {
      advance(nextArrival);
      const image = { arrivedAt: now, index: arrived };
      arrived += 1;
      nextArrival += 1000 * nextGap(load.rate, random);
      const process = processes[random.below(processes.length)];
      if (process === undefined || process.images >= machine.queueLimit) refused += 1;
      else {
        process.images += 1;
        enter(process.first, image);
      }
    } else {
      advance(nextEnd);
      finish();
    }
  }
  return {
    latencies: latencies.sort((a, b) => a - b),
    refused: refused / arrived,
    batch: batched / batches,
    utilisation: busy / (now * machine.cores),
    throughput: (1000 * answered) / now,
  };
}

function createProcess({ decoders, engines, maxBatch }: Machine, costs: Costs): Process {
  const one = (cost: () => number) => (waiting: Image[]) => ({ images: waiting.splice(0, 1), ms: cost() });
  const http: Stage = stage(1, one(costs.http), () => decode);
  const decode: Stage = stage(decoders, one(costs.decode), () => engine);
  // An engine's share of what waits, so that no other one is idle meanwhile.
  const batch = (waiting: Image[]) => {
    const images = waiting.splice(0, Math.min(maxBatch, Math.ceil(waiting.length / engines)));
    return { images, ms: costs.batch(images.length) };
  };
  const engine: Stage = stage(engines, batch, () => undefined);
  const process: Process = { images: 0, first: http };

  function stage(free: number, take: Stage['take'], next: Stage['next']): Stage {
    return {
      free,
      waiting: [],
      take,
      next,
      get process() {
        return process;
      },
    };
  }
  return process;
}
