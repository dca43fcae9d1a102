import type { OnnxValue } from '../../runtime/onnx-evaluation.ts';

/** What a wrapped model answered to one image or batch. */
export type Answer = ReadonlyMap<string, OnnxValue>;

/** Numbers that should be the same are as close as this, by the largest of them. */
const TOLERANCE = 1e-3;

/** An output of an answer, in its order; nothing of one that is not there. */
export function numbersOf(answer: Answer | undefined, output: string): number[] {
  return Array.from(answer?.get(output)?.numbers ?? []);
}

/** @param least what the largest of the numbers counts as at least */
export function areClose(a: readonly number[], b: readonly number[], least = 1e-6): boolean {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), least);
  const close = (value: number, index: number) => Math.abs(value - (b[index] ?? Number.NaN)) <= TOLERANCE * largest;
  return a.length === b.length && a.every(close);
}
