import { seededRandom } from '../../src/common/random.ts';
import { percentile } from '../bench/measurement.ts';
import { batchMs, cheapestBatch, costsAt, costsOf, type Figures, saturation } from './figures.ts';
import { type Machine, type Outcome, simulate } from './simulate.ts';

/** What is asked of the machines. */
export interface Demand {
  /** Images per second, of all machines. */
  readonly rate: number;
  /** Milliseconds that 99 of 100 answers may take. */
  readonly p99Ms: number;
}

/** Machines for a demand. */
export interface Plan {
  /** The fewest that keep the bound while nothing goes wrong. */
  readonly fewest: number;
  /** As many as Kubernetes keeps: no more than `BUSY` of their cores are busy. */
  readonly machines: number;
  /** Of each of `machines`. */
  readonly outcome: Outcome;
}

/** Share of the cores beyond which Kubernetes adds servers: scripts/deploy/kubernetes/replicas/scale-servers.yaml. */
export const BUSY = 0.7;

/** Standard deviation of what an image costs, as a share of its mean: photos differ, and cores are shared. */
export const VARIATION = 0.3;
/** Of a simulation: the 99th percentile is then known to a few per cent. */
const IMAGES = 60_000;
const HOURS_A_MONTH = 730;

/** The machine as the server uses it: it takes batches of the size that costs least. */
export function asServed(figures: Figures, machine: Machine): Machine {
  return { ...machine, maxBatch: cheapestBatch(figures, machine.maxBatch) };
}

/** What clients see when a machine gets so many images a second. */
export function outcomeAt(rate: number, figures: Figures, machine: Machine): Outcome {
  const means = costsAt(figures, rate / machine.processes / machine.cores);
  const costs = costsOf(means, VARIATION, seededRandom(1, 1));
  return simulate({ rate, images: IMAGES }, asServed(figures, machine), costs, seededRandom(1));
}

/**
 * Finds the fewest machines with which 99 of 100 answers come in time and no image is refused. Requests are spread
 * over the machines at random, as Kubernetes does; each then gets a Poisson process of an equal part of the rate.
 * @throws Error when no number is enough
 */
export function planFor({ rate, p99Ms }: Demand, figures: Figures, machine: Machine): Plan {
  const idle = costsAt(figures, 0);
  const alone = idle.http_ms + idle.decode_ms + batchMs(idle, 1);
  if (alone >= p99Ms) throw new Error(`an image alone takes ${alone.toFixed(1)} ms: no number of machines is enough`);
  const outcomes = new Map<number, Outcome>();
  const outcomeOf = (machines: number): Outcome => {
    const known = outcomes.get(machines) ?? outcomeAt(rate / machines, figures, machine);
    outcomes.set(machines, known);
    return known;
  };
  const full = Math.ceil(rate / saturation(figures, machine));
  const fewest = least(full, (machines) => {
    // One image at a time on each: the bound lies within the variation of a single one.
    if (rate / machines < 0.01) throw new Error(`99 of 100 answers within ${p99Ms} ms are out of reach`);
    const { latencies, refused } = outcomeOf(machines);
    return refused === 0 && percentile(latencies, 0.99) <= p99Ms;
  });
  const machines = least(fewest, (each) => outcomeOf(each).utilisation <= BUSY);
  return { fewest, machines, outcome: outcomeOf(machines) };
}

/** The least number, beginning with `first`, that is enough, where all after it are: found by doubling and halving. */
function least(first: number, isEnough: (machines: number) => boolean): number {
  let [tooFew, enough] = [first - 1, first];
  while (!isEnough(enough)) {
    tooFew = enough;
    enough *= 2;
  }
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (isEnough(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

/** What machines cost. @param price of one machine and hour */
export function costOf(machines: number, rate: number, price: number): { month: number; millionImages: number } {
  return { month: machines * price * HOURS_A_MONTH, millionImages: (1e6 * machines * price) / (3600 * rate) };
}

/** Megabytes that the processes of a machine take. */
export function memoryMb({ server_mb, engine_mb }: Figures, { processes, engines }: Machine): number {
  return processes * (server_mb + engines * engine_mb);
}
