import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { newImageThreshold } from '../../../src/finetuning/novelty/new-image-threshold.ts';

/** The mean share of 500 new distances that thresholds of `count` distances of the same distribution accept. */
function acceptedShare(count: number, draw: (normal: number) => number): number {
  const random = seededRandom(count);
  const distances = (n: number) => Float32Array.from({ length: n }, () => draw(random.normal()));
  let accepted = 0;
  for (let trial = 0; trial < 300; trial++) {
    const threshold = newImageThreshold(distances(count), 1e-6);
    accepted += distances(500).filter((distance) => distance <= threshold).length / 500;
  }
  return accepted / 300;
}

describe('the threshold for new images', () => {
  it.each([4, 8, 12, 18, 19, 25, 60, 200])('accepts 95 of 100 of them when it is chosen on %i', (count) => {
    const share = acceptedShare(count, (normal) => Math.exp(0.5 * normal));
    expect(share).toBeGreaterThan(0.94);
    expect(share).toBeLessThan(0.975);
  });

  it('does so for distances of any distribution from 19 images on', () => {
    for (const count of [19, 40]) expect(acceptedShare(count, Math.abs)).toBeCloseTo(0.95, 1);
  });

  it('accepts what is as near as equal pictures are', () => {
    expect(newImageThreshold(Float32Array.of(0, -1e-4, 1e-4, 0), 3)).toBeCloseTo(3);
  });

  it('accepts everything when nothing is known of distances', () => {
    expect(newImageThreshold(new Float32Array(), 1)).toBeGreaterThan(1e20);
    expect(newImageThreshold(Float32Array.of(5), 1)).toBeGreaterThan(1e20);
  });
});
