import type { AnswerName, Outputs } from '../runtime/session.ts';

/** What one image gets of a batch: its row of each output, flat. */
export type OutputRows = Readonly<Partial<Record<AnswerName, Float32Array>>>;

/** One row of a batch's outputs. A view: it keeps the batch's memory alive. */
export function rowOf(outputs: Outputs, row: number, names: readonly AnswerName[]): OutputRows {
  return Object.fromEntries(
    names.map((name) => {
      const tensor = outputs[name];
      if (tensor === undefined) throw new Error(`the engine did not answer with ${name}`);
      const length = tensor.data.length / (tensor.shape[0] ?? 1);
      return [name, tensor.data.subarray(row * length, (row + 1) * length)];
    }),
  );
}
