import type { Preprocessing } from '../../src/image/crop.ts';

/** A converted model as the processes of the benchmark need it. */
export interface BenchModel {
  readonly name: string;
  readonly onnxPath: string;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[];
}
