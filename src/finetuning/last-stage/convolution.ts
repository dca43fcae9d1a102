import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { withBias } from './map-operations.ts';
import { columnSums, matrixProduct, transposed } from './matrices.ts';

/** Parameters of a convolution, which training changes in place. */
export interface ConvolutionParameters {
  /** `[outputs, kernel height, kernel width, inputs]` */
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
}

/** Gradients of the parameters, in their shapes. */
export interface ConvolutionGradient {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/**
 * A convolution of the columns under its windows.
 * @param columns `[positions, inner]`, as `windowColumns` gives them
 * @returns `[positions, outputs]`
 */
export function convolve(
  tf: TensorFlow,
  columns: Float32Array,
  { weight, bias }: ConvolutionParameters,
  outputs: number,
): Float32Array {
  const inner = weight.length / outputs;
  const shape = [columns.length / inner, inner, outputs] as const;
  return withBias(matrixProduct(tf, columns, transposed(weight, outputs, inner), shape), bias);
}

/** The gradient of `convolve` by its parameters. @param gradient by its result, `[positions, outputs]` */
export function convolutionGradient(
  tf: TensorFlow,
  columns: Float32Array,
  gradient: Float32Array,
  outputs: number,
): ConvolutionGradient {
  const positions = gradient.length / outputs;
  const inner = columns.length / positions;
  return {
    weight: matrixProduct(tf, transposed(gradient, positions, outputs), columns, [outputs, positions, inner]),
    bias: columnSums(gradient, outputs),
  };
}

/** The gradient of `convolve` by its columns. */
export function columnGradient(
  tf: TensorFlow,
  gradient: Float32Array,
  weight: Float32Array,
  outputs: number,
): Float32Array {
  return matrixProduct(tf, gradient, weight, [gradient.length / outputs, outputs, weight.length / outputs]);
}
