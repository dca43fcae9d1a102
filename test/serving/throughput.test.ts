import { expect, it } from 'vitest';
import { Throughput } from '../../src/serving/throughput.ts';

it('is one second when nothing has been served yet', () => {
  expect(new Throughput().secondsFor(1000, 0)).toBe(1);
});

it('follows the rate of the last seconds', () => {
  const throughput = new Throughput();
  for (let at = 0; at <= 5000; at += 500) throughput.record(10, at);
  // 110 images in 5 s, so 22 a second.
  expect(throughput.secondsFor(66, 5000)).toBe(3);
});

it('is between one second and one minute', () => {
  const throughput = new Throughput();
  throughput.record(1, 0);
  expect(throughput.secondsFor(1, 4000)).toBe(4);
  expect(throughput.secondsFor(1_000_000, 4000)).toBe(60);
  throughput.record(100_000, 4000);
  expect(throughput.secondsFor(1, 4000)).toBe(1);
});

it('forgets old batches', () => {
  const throughput = new Throughput();
  throughput.record(1, 0);
  expect(throughput.secondsFor(1_000_000, 60_000)).toBe(1);
});
