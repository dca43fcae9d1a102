import { describe, expect, test } from 'vitest';
import { planCorruptions } from '../../../src/finetuning/features/corrupted-features.ts';

const KINDS = 55;

describe('the plan of corrupted images', () => {
  test.each([
    [400, 5000, 13],
    [400, 100_000, 272],
    [50, 100_000, 50],
    [6, 60, 1],
    [1, 4, 1],
  ])('of %i test images in a job of %i images and copies has %i of each kind', (tested, computed, each) => {
    const plan = planCorruptions(tested, computed);
    expect(plan).toHaveLength(each * KINDS);
    for (const { image } of plan) expect(image).toBeLessThan(tested);
    const kinds = new Map<string, number[]>();
    for (const { corruption, severity, image } of plan) {
      const kind = `${corruption} ${severity}`;
      kinds.set(kind, [...(kinds.get(kind) ?? []), image]);
    }
    expect(kinds.size).toBe(KINDS);
    for (const images of kinds.values()) expect(new Set(images).size).toBe(each);
  });

  test('costs at most 15 % of the job, or 55 images', () => {
    expect(planCorruptions(1000, 5000).length).toBeLessThanOrEqual(750);
    expect(planCorruptions(1000, 10)).toHaveLength(KINDS);
  });

  test('spreads over the test images, and each kind over the classes that stand together', () => {
    const plan = planCorruptions(100, 5000);
    expect(new Set(plan.map(({ image }) => image)).size).toBe(100);
    const first = plan.slice(0, 13).map(({ image }) => Math.floor(image / 10));
    expect(new Set(first).size).toBeGreaterThan(7);
  });
});
