import { argmaxRows, countCorrect, softmaxRows } from '../head/softmax.ts';
import type { Judged } from '../last-stage/joint-descent.ts';

/**
 * How far a student's answers are from its teacher's: the Kullback-Leibler divergence of the probabilities at a
 * temperature, times the temperature squared so that the gradient keeps its size (Hinton, Vinyals & Dean 2015,
 * https://arxiv.org/abs/1503.02531). `correct` counts the rows on which both name the same class.
 *
 * @param logits of the student, `[rows, classes]`
 * @param targets logits of the teacher for the same rows
 */
export function distillationLoss(
  logits: Float32Array,
  targets: Float32Array,
  classes: number,
  temperature: number,
): Judged {
  const rows = logits.length / classes;
  const soften = (values: Float32Array) =>
    softmaxRows(
      values.map((value) => value / temperature),
      classes,
    );
  const [student, teacher] = [soften(logits), soften(targets)];
  const gradient = new Float32Array(logits.length);
  let divergence = 0;
  for (let i = 0; i < logits.length; i++) {
    const [p, q] = [student[i] ?? 0, teacher[i] ?? 0];
    if (q > 0) divergence += q * (Math.log(q) - Math.log(Math.max(p, Number.MIN_VALUE)));
    gradient[i] = (temperature * (p - q)) / rows;
  }
  return {
    loss: (temperature ** 2 * divergence) / rows,
    gradient,
    correct: countCorrect(argmaxRows(logits, classes), argmaxRows(targets, classes)),
  };
}

/** Share of the rows whose class by the teacher is among the five that the student finds most probable. */
export function topFiveAgreement(logits: Float32Array, targets: Float32Array, classes: number): number {
  const wanted = argmaxRows(targets, classes);
  let found = 0;
  wanted.forEach((label, row) => {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    const score = own[label] ?? 0;
    if (own.filter((value) => value > score).length < 5) found += 1;
  });
  return found / wanted.length;
}
