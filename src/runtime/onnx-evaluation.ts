import type { Tensor as OnnxTensor } from 'onnxruntime-node';
import type { PixelTensor } from '../common/tensor.ts';
import { onnxRuntime } from './onnx-runtime.ts';

/** A value of an ONNX model. 64-bit integers are converted to numbers. */
export interface OnnxValue {
  readonly type: string;
  readonly shape: readonly number[];
  readonly numbers: ArrayLike<number>;
}

/**
 * Opens an ONNX model, runs it on some batches of `pixels` and closes it; for models that are being imported. The
 * graph is not optimised: for a few runs that would take longer than it saves.
 *
 * @returns the named outputs of each batch
 * @throws Error with the message of the runtime, which names the operator or the tensor
 */
export async function evaluateOnnx(
  path: string,
  batches: readonly PixelTensor[],
  outputs: readonly string[],
): Promise<ReadonlyMap<string, OnnxValue>[]> {
  const session = await onnxRuntime.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  try {
    const answers: Map<string, OnnxValue>[] = [];
    for (const { data, shape } of batches) {
      const results = await session.run({ pixels: new onnxRuntime.Tensor('uint8', data, [...shape]) }, outputs);
      answers.push(new Map(outputs.map((name) => [name, numbersOf(name, results[name])])));
    }
    return answers;
  } finally {
    await session.release();
  }
}

function numbersOf(name: string, tensor: OnnxTensor | undefined): OnnxValue {
  if (tensor === undefined || tensor.type === 'string') throw new Error(`output "${name}" has no numbers`);
  return {
    type: tensor.type,
    shape: tensor.dims,
    numbers: Array.from(tensor.data as ArrayLike<number | bigint>, Number),
  };
}

/**
 * Opens an ONNX model with the input `pixels` for many runs on one thread, each of one image.
 * @throws Error with the message of the runtime
 */
export async function openOnnxValues(path: string): Promise<{
  /** The named outputs of an image `[1, height, width, 3]`, which must be floats. */
  compute(image: Uint8Array, outputs: readonly string[]): Promise<ReadonlyMap<string, Float32Array>>;
  close(): Promise<void>;
}> {
  const session = await onnxRuntime.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    interOpNumThreads: 1,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const input = session.inputMetadata.find(({ name }) => name === 'pixels');
  const shape = input?.isTensor ? [1, ...input.shape.slice(1).map(Number)] : [];
  return {
    compute: async (image, outputs) => {
      const results = await session.run({ pixels: new onnxRuntime.Tensor('uint8', image, shape) }, outputs);
      return new Map(
        outputs.map((name) => {
          const data = results[name]?.data;
          if (!(data instanceof Float32Array)) throw new Error(`the ONNX model has no float output named ${name}`);
          return [name, data];
        }),
      );
    },
    close: () => session.release(),
  };
}
