import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { percentile } from '../../scripts/bench/measurement.ts';
import { nextGap } from '../../scripts/bench/poisson.ts';
import {
  batchMs,
  cheapestBatch,
  costsAt,
  type Figures,
  figuresSchema,
  saturation,
} from '../../scripts/capacity/figures.ts';
import { Heap } from '../../scripts/capacity/heap.ts';
import { BUSY, costOf, memoryMb, outcomeAt, planFor } from '../../scripts/capacity/plan.ts';
import { type Costs, type Machine, simulate } from '../../scripts/capacity/simulate.ts';
import { seededRandom } from '../../src/common/random.ts';

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** Draws that are exponentially distributed with a mean in milliseconds. */
const exponential = (ms: number) => {
  const random = seededRandom(3, 7);
  return () => nextGap(1 / ms, random);
};
const IMAGES = 150_000;
const ONE: Machine = {
  cores: 1,
  processes: 1,
  decoders: 1,
  engines: 1,
  maxBatch: 1,
  queueLimit: Number.POSITIVE_INFINITY,
};
const FREE: Costs = { http: () => 0, decode: () => 0, batch: () => 0 };

test('a heap gives back what it was given in the order of the keys', () => {
  const [heap, random] = [new Heap<number>(), seededRandom(1)];
  const keys = Array.from({ length: 500 }, () => random.below(100));
  for (const key of keys) heap.add(key, key);
  expect(heap.leastKey).toBe(Math.min(...keys));
  expect(keys.map(() => heap.take())).toEqual(keys.toSorted((a, b) => a - b));
  expect([heap.size, heap.leastKey]).toEqual([0, Number.POSITIVE_INFINITY]);
});

test('arrivals are those of a Poisson process: gaps with the mean and the standard deviation 1 / rate', () => {
  const random = seededRandom(2);
  const gaps = Array.from({ length: IMAGES }, () => nextGap(50, random));
  const average = mean(gaps);
  expect(average).toBeCloseTo(0.02, 3);
  expect(Math.sqrt(mean(gaps.map((gap) => (gap - average) ** 2)))).toBeCloseTo(0.02, 3);
});

describe('where theory is exact, the simulation agrees with it', () => {
  test.each([1, 2, 8])('M/M/c with %i servers, 70 of 100 busy: the mean wait of Erlang C', (servers) => {
    const serviceMs = 10;
    const rate = (0.7 * servers * 1000) / serviceMs;
    const machine = { ...ONE, cores: servers, engines: servers };
    const { latencies, utilisation } = simulate(
      { rate, images: IMAGES },
      machine,
      { ...FREE, batch: exponential(serviceMs) },
      seededRandom(5),
    );
    const load = 0.7 * servers;
    let [term, sum] = [1, 1];
    for (let busy = 1; busy < servers; busy++) {
      term *= load / busy;
      sum += term;
    }
    const last = (term * load) / servers / 0.3;
    const waits = last / (sum + last);
    const expected = serviceMs + (waits * serviceMs) / (servers * 0.3);
    expect(mean(latencies) / expected).toBeCloseTo(1, 1);
    expect(utilisation).toBeCloseTo(0.7, 2);
  });

  test('M/M/1 at 70 %: the latency is exponential with the rate mu - lambda', () => {
    const { latencies } = simulate(
      { rate: 70, images: IMAGES },
      ONE,
      { ...FREE, batch: exponential(10) },
      seededRandom(6),
    );
    expect(percentile(latencies, 0.5) / (Math.LN2 / 0.03)).toBeCloseTo(1, 1);
    expect(percentile(latencies, 0.99) / (Math.log(100) / 0.03)).toBeCloseTo(1, 1);
  });

  test('M/D/1 at 80 %: half the wait of M/M/1 (Pollaczek and Khinchine)', () => {
    const { latencies } = simulate({ rate: 80, images: IMAGES }, ONE, { ...FREE, batch: () => 10 }, seededRandom(7));
    expect(mean(latencies) / (10 + (0.8 * 10) / (2 * 0.2))).toBeCloseTo(1, 1);
  });

  test('M/G/1 with threads that share a core: the mean latency depends on the mean cost alone', () => {
    for (const decode of [() => 10, exponential(10)]) {
      const { latencies } = simulate(
        { rate: 80, images: IMAGES },
        { ...ONE, decoders: Number.POSITIVE_INFINITY },
        { ...FREE, decode },
        seededRandom(8),
      );
      expect(mean(latencies) / (10 / 0.2)).toBeCloseTo(1, 1);
    }
  });

  test('one engine that takes all that waits: batches of rho + exp(-rho) images, half of a batch of waiting', () => {
    const rho = 1.5;
    const { latencies, batch } = simulate(
      { rate: 150, images: IMAGES },
      { ...ONE, maxBatch: Number.POSITIVE_INFINITY },
      { ...FREE, batch: () => 10 },
      seededRandom(9),
    );
    const idle = Math.exp(-rho);
    expect(batch / (rho + idle)).toBeCloseTo(1, 2);
    // Who finds the engine idle waits for nothing; every other one for the rest of a batch, half of it on average.
    const waits = 1 - idle / (rho + idle);
    expect(mean(latencies) / (10 + 5 * waits)).toBeCloseTo(1, 2);
  });
});

test('a full queue refuses images, and those that are answered have not waited for more than the queue', () => {
  const machine = { ...ONE, queueLimit: 4 };
  const { refused, latencies, throughput } = simulate(
    { rate: 200, images: 20_000 },
    machine,
    { ...FREE, batch: () => 10 },
    seededRandom(10),
  );
  expect(refused).toBeCloseTo(0.5, 1);
  expect(throughput).toBeCloseTo(100, 0);
  expect(latencies.at(-1)).toBeLessThanOrEqual(40.001);
});

const FIGURES: Figures = {
  model: 'any',
  loads: [{ rate: 1, http_ms: 1, decode_ms: 3, batch_factor: 1 }],
  batches: [
    [1, 4],
    [4, 10],
    [16, 48],
  ],
  server_mb: 100,
  engine_mb: 60,
};
const MACHINE: Machine = { cores: 4, processes: 1, decoders: 4, engines: 4, maxBatch: 16, queueLimit: 256 };

describe('figures', () => {
  test('a batch costs what was measured, and between two sizes what lies between them', () => {
    expect([1, 2, 3, 4, 10, 16, 32].map((images) => batchMs(FIGURES, images))).toEqual([4, 6, 8, 10, 29, 48, 96]);
  });

  test('an image costs what was measured at the load, and between two loads what lies between them', () => {
    const loads = [
      { rate: 10, http_ms: 2, decode_ms: 5, batch_factor: 1.5 },
      { rate: 30, http_ms: 1, decode_ms: 3, batch_factor: 1 },
    ];
    const at = (rate: number) => costsAt({ ...FIGURES, loads }, rate);
    expect([0, 10, 15, 20, 30, 99].map((rate) => at(rate).http_ms)).toEqual([2, 2, 1.75, 1.5, 1, 1]);
    expect(at(20)).toMatchObject({ decode_ms: 4, batches: [[1, 5], expect.anything(), expect.anything()] });
  });

  test('a server with less to do costs more an image', () => {
    const loads = [
      { rate: 5, http_ms: 2, decode_ms: 6, batch_factor: 2 },
      { rate: 30, http_ms: 1, decode_ms: 3, batch_factor: 1 },
    ];
    const busy = (processes: number) => {
      const machine = { ...MACHINE, processes };
      return outcomeAt(100, { ...FIGURES, loads }, machine).utilisation;
    };
    expect(busy(4)).toBeGreaterThan(1.2 * busy(1));
  });

  test('the server takes the batches that cost least an image', () => {
    expect(cheapestBatch(FIGURES, 16)).toBe(4);
    expect(cheapestBatch(FIGURES, 2)).toBe(2);
  });

  test('a machine is full when its cores are, or the HTTP threads of its processes', () => {
    expect(saturation(FIGURES, MACHINE)).toBeCloseTo(4000 / 6.5);
    expect(saturation(FIGURES, { ...MACHINE, cores: 32, decoders: 32 })).toBe(1000);
    expect(saturation(FIGURES, { ...MACHINE, cores: 32, decoders: 32, processes: 4 })).toBe(4000);
  });

  test('servers that share a machine answer less in all than one alone, for each has less to do', () => {
    const loads = [
      { rate: 20, http_ms: 2, decode_ms: 6, batch_factor: 2 },
      { rate: 150, http_ms: 1, decode_ms: 3, batch_factor: 1 },
    ];
    const most = (processes: number) => saturation({ ...FIGURES, loads }, { ...MACHINE, processes });
    expect(most(1)).toBeCloseTo(4000 / 6.5, 0);
    // An image costs 13 ms where each of the four answers 77 a second, which is 19 for each core.
    expect(most(4)).toBeCloseTo(4000 / 13, 0);
  });

  test('figures without the cost of a lone image are refused', () => {
    expect(figuresSchema.safeParse(FIGURES).success).toBe(true);
    const { error } = figuresSchema.safeParse({ ...FIGURES, batches: [[4, 10]] });
    expect(error?.issues[0]?.message).toContain('one image');
  });
});

describe('a plan', () => {
  const p99 = (machines: number, rate: number) =>
    percentile(outcomeAt(rate / machines, FIGURES, MACHINE).latencies, 0.99);

  test('has the least number of machines that keeps the bound', () => {
    const { fewest } = planFor({ rate: 10_000, p99Ms: 50 }, FIGURES, MACHINE);
    expect(p99(fewest, 10_000)).toBeLessThanOrEqual(50);
    expect(p99(fewest - 1, 10_000)).toBeGreaterThan(50);
    expect(fewest).toBeGreaterThanOrEqual(10_000 / saturation(FIGURES, MACHINE));
  });

  test('has as many machines as Kubernetes keeps, by the share of busy cores at which it adds some', () => {
    const { fewest, machines, outcome } = planFor({ rate: 10_000, p99Ms: 50 }, FIGURES, MACHINE);
    expect(machines).toBeGreaterThan(fewest);
    expect(outcome.utilisation).toBeLessThanOrEqual(BUSY);
    expect(outcomeAt(10_000 / (machines - 1), FIGURES, MACHINE).utilisation).toBeGreaterThan(BUSY);
    const scaler = z
      .object({ spec: z.object({ metrics: z.tuple([z.object({ resource: z.unknown() })]) }) })
      .parse(parse(readFileSync('scripts/deploy/kubernetes/replicas/scale-servers.yaml', 'utf8')));
    expect(scaler.spec.metrics[0].resource).toMatchObject({ target: { averageUtilization: 100 * BUSY } });
  });

  test('is one machine for a little load, and says when no number is enough', () => {
    expect(planFor({ rate: 10, p99Ms: 50 }, FIGURES, MACHINE)).toMatchObject({ fewest: 1, machines: 1 });
    expect(() => planFor({ rate: 10, p99Ms: 8 }, FIGURES, MACHINE)).toThrow('an image alone takes 8.0 ms');
    expect(() => planFor({ rate: 10, p99Ms: 8.5 }, FIGURES, MACHINE)).toThrow('out of reach');
  });

  test('costs what its machines cost', () => {
    expect(costOf(3, 1000, 0.2)).toEqual({ month: expect.closeTo(438), millionImages: expect.closeTo(0.1667, 3) });
    expect(memoryMb(FIGURES, { ...MACHINE, processes: 2 })).toBe(680);
  });
});
