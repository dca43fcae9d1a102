import { describe, expect, it } from 'vitest';
import { distillationLoss, topFiveAgreement } from '../../../src/finetuning/distillation/soft-targets.ts';

const CLASSES = 3;
const teacher = Float32Array.of(4, 1, 0, -1, 2, 2.5);
const student = Float32Array.of(1, 2, 0, 0, 0, 3);

describe('the loss of a student', () => {
  it('is 0, with no gradient, where it gives the probabilities of its teacher', () => {
    // A number that is added to all logits of a row changes no probability.
    const shifted = teacher.map((value, index) => value + (index < CLASSES ? 5 : -2));
    const { loss, gradient, correct } = distillationLoss(shifted, teacher, CLASSES, 3);
    expect(loss).toBeCloseTo(0, 6);
    for (const value of gradient) expect(value).toBeCloseTo(0, 6);
    expect(correct).toBe(2);
  });

  it.each([1, 2, 5])('has the gradient that finite differences have, at temperature %d', (temperature) => {
    const { gradient } = distillationLoss(student, teacher, CLASSES, temperature);
    const lossWith = (index: number, change: number): number => {
      const changed = student.slice();
      changed[index] = (changed[index] ?? 0) + change;
      return distillationLoss(changed, teacher, CLASSES, temperature).loss;
    };
    gradient.forEach((slope, index) => {
      expect(slope).toBeCloseTo((lossWith(index, 0.01) - lossWith(index, -0.01)) / 0.02, 2);
    });
  });

  it('counts the rows on which both name the same class', () => {
    expect(distillationLoss(student, teacher, CLASSES, 1).correct).toBe(1);
  });

  it('stays finite where the student excludes what the teacher names', () => {
    const { loss } = distillationLoss(Float32Array.of(-1e4, 0, 0), Float32Array.of(50, 0, 0), CLASSES, 1);
    expect(loss).toBeGreaterThan(100);
    expect(Number.isFinite(loss)).toBe(true);
  });
});

describe('the agreement within the first five classes', () => {
  it('counts rows whose class by the teacher is among the five most probable ones of the student', () => {
    const wanted = Float32Array.of(0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 9);
    const own = Float32Array.of(7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 8);
    expect(topFiveAgreement(own, wanted, 7)).toBe(0.5);
  });
});
