import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { motionBlur } from '../../../src/image/corruptions/blur.ts';
import {
  CORRUPTIONS,
  type Corruption,
  corrupt,
  SEVERITIES,
  type Severity,
} from '../../../src/image/corruptions/corrupt.ts';
import { photo } from './photo.ts';

/** The corruptions of Hendrycks & Dietterich, as the Python package has them: `pip install imagecorruptions`. */
const python = process.env['PYTHON'] ?? 'python3';

const isInstalled = await promisify(execFile)(python, [
  '-c',
  'import numpy; numpy.float_ = numpy.float64; import imagecorruptions',
]).then(
  () => true,
  () => false,
);

if (!isInstalled) {
  test.skip(`skipped: ${python} has no imagecorruptions, which needs opencv and scikit-image; PYTHON names another`, () => {});
}

/** Pictures over which the statistics of a random corruption are taken. */
const DRAWS = { noise: 8, fog: 80 };
/** Mean difference of a value, 0..255, where nothing is drawn at random. */
const TOLERANCE = 1;
/** The package cuts the smoothed edge of disks from this severity on, whose weights then add up to 1.01. */
const CUT_DISK = { severity: 4, tolerance: 2 };

const RANDOM: readonly Corruption[] = ['gaussian_noise', 'shot_noise', 'impulse_noise', 'fog'];
/** The package has no rotation. */
const compared = CORRUPTIONS.filter((name) => name !== 'rotation');

describe.skipIf(!isInstalled)('as the package imagecorruptions has it', () => {
  const image = photo(224);
  const published = new Map<string, { mean: number; deviation: number; pixels: Buffer }>();

  beforeAll(async () => {
    const wanted = compared.flatMap((name) =>
      SEVERITIES.map((severity) => [name, severity, RANDOM.includes(name) ? drawsOf(name) : 1] as const),
    );
    const child = spawn(python, ['test/image/corruptions/published_corruptions.py'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(JSON.stringify({ side: 224, pixels: Buffer.from(image.pixels).toString('base64'), wanted }));
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    for (const [index, answer] of JSON.parse(output).entries()) {
      const [name, severity] = wanted[index] ?? [];
      published.set(`${name} ${severity}`, { ...answer, pixels: Buffer.from(answer.pixels, 'base64') });
    }
  }, 120_000);

  const cases = (names: readonly Corruption[]) =>
    names.flatMap((name) => SEVERITIES.map((severity): [Corruption, Severity] => [name, severity]));

  test.each(cases(compared.filter((name) => !RANDOM.includes(name))))('%s, severity %i', async (name, severity) => {
    const motion =
      [
        [10, 3],
        [15, 5],
        [15, 8],
        [15, 12],
        [20, 15],
      ][severity - 1] ?? [];
    // Its direction is drawn: both take 30 degrees.
    const ours =
      name === 'motion_blur'
        ? motionBlur(image, motion[0] ?? 0, motion[1] ?? 0, Math.PI / 6)
        : await corrupt(image, { corruption: name, severity }, 'a');
    const theirs = published.get(`${name} ${severity}`)?.pixels ?? Buffer.alloc(0);
    expect(ours).toHaveLength(theirs.length);
    const difference =
      ours.reduce((sum, value, index) => sum + Math.abs(value - (theirs[index] ?? 0)), 0) / ours.length;
    const cut = name === 'defocus_blur' && severity >= CUT_DISK.severity;
    expect(difference).toBeLessThan(cut ? CUT_DISK.tolerance : TOLERANCE);
  });

  test.each(cases(RANDOM))('%s, severity %i: mean and deviation of the values', async (name, severity) => {
    let [count, sum, squares] = [0, 0, 0];
    for (let draw = 0; draw < drawsOf(name); draw++) {
      for (const value of await corrupt(image, { corruption: name, severity }, `${draw}`)) {
        count += 1;
        sum += value;
        squares += value ** 2;
      }
    }
    const mean = sum / count;
    const theirs = published.get(`${name} ${severity}`);
    // The means of two pictures in fog differ by about twenty.
    const tolerance = name === 'fog' ? 5 : 0.3;
    expect(Math.abs(mean - (theirs?.mean ?? 0))).toBeLessThan(tolerance);
    expect(Math.abs(Math.sqrt(squares / count - mean ** 2) - (theirs?.deviation ?? 0))).toBeLessThan(tolerance);
  });
});

function drawsOf(name: Corruption): number {
  return name === 'fog' ? DRAWS.fog : DRAWS.noise;
}
