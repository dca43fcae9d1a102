import { describe, expect, test } from 'vitest';
import type { Minute } from '../../scripts/soak/minute.ts';
import { minuteLine, minuteRecord } from '../../scripts/soak/minute.ts';
import { robustSlope } from '../../scripts/soak/robust-slope.ts';
import { SoakedServer } from '../../scripts/soak/soaked-server.ts';
import { judge } from '../../scripts/soak/verdict.ts';
import { seededRandom } from '../../src/common/random.ts';

const line = (n: number, y: (x: number) => number) => Array.from({ length: n }, (_, x) => ({ x, y: y(x) }));

describe('the robust slope', () => {
  test('of a line is its slope, whatever a third of the points do', () => {
    expect(robustSlope(line(30, (x) => 5 + 2 * x))).toEqual({ slope: 2, low: 2, high: 2 });
    const { slope } = robustSlope(line(30, (x) => (x % 3 === 0 ? 1000 : 5 + 2 * x)));
    expect(slope).toBeCloseTo(2, 0);
  });

  test('of seven points lies between the third of the 21 slopes and the third from above', () => {
    // The statistic of Kendall has the variance 7 * 6 * 19 / 18 = 44.3: 1.96 of its deviations are 13.05 of the 21 pairs.
    const points = [9.7, 11.1, 12.4, 13.0, 15.1, 16.2, 19.9].map((y, x) => ({ x, y }));
    const slopes = points
      .flatMap((a, index) => points.slice(index + 1).map((b) => (b.y - a.y) / (b.x - a.x)))
      .sort((a, b) => a - b);
    const { low, high } = robustSlope(points);
    expect([low, high]).toEqual([slopes[2], slopes[18]]);
  });

  test('lies within its bounds in 95 of 100 cases', () => {
    const random = seededRandom(2);
    let within = 0;
    for (let run = 0; run < 400; run++) {
      const { low, high } = robustSlope(line(40, (x) => 0.5 * x + 4 * random.normal()));
      if (low <= 0.5 && 0.5 <= high) within += 1;
    }
    expect(within / 400).toBeGreaterThan(0.92);
    expect(within / 400).toBeLessThan(0.98);
  });

  test('of two points is known, but not how well', () => {
    expect(robustSlope(line(2, (x) => 3 * x))).toEqual({
      slope: 3,
      low: Number.NEGATIVE_INFINITY,
      high: Number.POSITIVE_INFINITY,
    });
  });
});

describe('the verdict', () => {
  const random = seededRandom(4);
  const noise = (size: number) => size * random.normal();
  const minuteAt = (minute: number): Minute => ({
    minute,
    due: 1000,
    latencies: Array.from({ length: 1000 }, (_, index) => 10 + index / 100),
    errors: {},
    rssMb: { server: 250 + noise(3), engines: 180 + noise(2), workers: 400 },
    descriptors: 60,
    temporaryFiles: 0,
    jobs: { succeeded: 1, failed: 0, unfinished: 0 },
  });
  const hour = (change: (minute: Minute) => Partial<Minute> = () => ({})) =>
    Array.from({ length: 60 }, (_, index) => {
      const minute = minuteAt(index + 1);
      return { ...minute, ...change(minute) };
    });
  const failing = (minutes: readonly Minute[]) => judge(minutes).flatMap(({ holds, text }) => (holds ? [] : [text]));

  test('of a server that stays as it is has nothing to complain about', () => {
    expect(failing(hour())).toEqual([]);
  });

  test('finds memory that grows by a fifth in an hour, and not what grows in the first minutes', () => {
    const grown = ({ minute, rssMb }: Minute) => ({ rssMb: { ...rssMb, server: rssMb.server + 50 * (minute / 60) } });
    expect(failing(hour(grown))).toEqual([
      expect.stringMatching(/^memory of the server: \d+ MB, (?:4\d|5\d)\.\d MB an hour/),
    ]);
    // Four per cent an hour are allowed, to which ten minutes of warming up would add.
    const warming = ({ minute, rssMb }: Minute) => ({
      rssMb: { ...rssMb, engines: rssMb.engines + 7 * (minute / 60) - 10 * Math.max(0, 10 - minute) },
    });
    expect(failing(hour(warming))).toEqual([]);
  });

  test('finds descriptors that are never closed', () => {
    expect(failing(hour(({ minute }) => ({ descriptors: 60 + minute })))).toEqual([
      'file descriptors: 61 to 120, 60.0 an hour',
    ]);
  });

  test('finds temporary files that are left', () => {
    expect(failing(hour(({ minute }) => ({ temporaryFiles: 2 * minute })))).toEqual([
      'temporary files: 2 to 120, 120.0 an hour',
    ]);
    expect(failing(hour(({ minute }) => ({ temporaryFiles: minute % 2 })))).toEqual([]);
  });

  test('counts every error and every job that failed', () => {
    const wrong = hour(({ minute }) =>
      minute === 7 ? { errors: { '429 queue_full': 3 }, jobs: { succeeded: 0, failed: 1, unfinished: 0 } } : {},
    );
    expect(failing(wrong)).toEqual([
      'errors: 3 x 429 queue_full beside 60000 answers',
      'fine-tunes: 59 succeeded, 1 failed',
    ]);
  });

  test('compares the last ten minutes with the first ten', () => {
    const slower = hour(({ minute, latencies }) => (minute > 50 ? { latencies: latencies.map((ms) => 1.5 * ms) } : {}));
    expect(failing(slower)).toEqual(['p99: 19.9 ms in the first 10 minutes, 29.8 ms in the last']);
    // A minute in between is none of them.
    const hiccup = hour(({ minute, latencies }) => (minute === 30 ? { latencies: latencies.map((ms) => 9 * ms) } : {}));
    expect(failing(hiccup)).toEqual([]);
  });

  test('of one minute compares nothing', () => {
    expect(failing([minuteAt(1)])).toEqual([]);
  });

  test('a minute is a line of the terminal and one of JSON, with percentiles', () => {
    const minute = minuteAt(3);
    expect(minuteLine(minute)).toMatch(
      /^ {2}3 min {2}1000 due, 1000 answered, 0 errors {2}p50 15\.0, p95 19\.5, p99 19\.9 ms/,
    );
    expect(minuteRecord(minute)).toMatchObject({ minute: 3, answers: 1000, p50Ms: 15, p95Ms: 19.5, p99Ms: 19.9 });
    expect(minuteRecord(minute)).not.toHaveProperty('latencies');
  });
});

test('a server that does not answer is an error of the minute, and not the end of the soak', async () => {
  // No server can have this port.
  const soaked = new SoakedServer('http://127.0.0.1:0', Buffer.alloc(0));
  await soaked.finetune();
  expect(await soaked.countJobs()).toEqual({ succeeded: 0, failed: 0, unfinished: 0 });
  await soaked.removeOldVersions();
  const errors = soaked.takeErrors();
  expect(Object.keys(errors).map((what) => what.split(':')[0])).toEqual(['POST /finetune', 'GET /jobs', 'GET /models']);
  expect(soaked.takeErrors()).toEqual({});
});
