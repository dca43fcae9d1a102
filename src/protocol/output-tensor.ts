import { setImmediate } from 'node:timers/promises';
import { topK } from '../answering/postprocess.ts';
import type { Inference } from '../answering/tensor-inference.ts';
import { AppError } from '../common/errors.ts';
import type { Tensor } from '../common/tensor.ts';
import type { RequestedOutput } from './inference-request.ts';

/** Values in one answer that are not binary data: 20 MB of JSON. */
const MAX_TYPED_VALUES = 1_000_000;

/** An output as it is sent: its values, or the names of the most probable classes. */
export type OutputTensor = { readonly name: string; readonly shape: readonly number[] } & (
  | { readonly datatype: 'FP32'; readonly values: Float32Array }
  | { readonly datatype: 'BYTES'; readonly texts: readonly string[] }
);

/** @throws AppError `invalid_request` when the outputs have too many values that are not binary data */
export function checkTypedValues(inference: Inference, requested: readonly RequestedOutput[]): void {
  const typed = requested.filter((output) => !output.binary && !namesClasses(output));
  checkValueCount(typed.reduce((sum, { name }) => sum + tensorOf(inference, name).data.length, 0));
}

/** @throws AppError `invalid_request` when an answer would have too many values that are not binary data */
export function checkValueCount(values: number): void {
  if (values <= MAX_TYPED_VALUES) return;
  throw new AppError(
    'invalid_request',
    `The outputs have ${values} values, and the limit is ${MAX_TYPED_VALUES} where they are not binary: request fewer ` +
      'outputs or binary data (binary_data_output).',
    { context: { max_values: MAX_TYPED_VALUES } },
  );
}

/** An output of an inference as it was requested; many names of classes in turns with other requests. */
export async function outputTensor(inference: Inference, output: RequestedOutput): Promise<OutputTensor> {
  const { name, classes = 0 } = output;
  const { data, shape } = tensorOf(inference, name);
  if (!namesClasses(output)) return { name, shape, datatype: 'FP32', values: data };
  const texts = await classTexts(inference, { data, shape }, classes);
  const [images = 0] = shape;
  return { name, shape: [images, texts.length / images], datatype: 'BYTES', texts };
}

function tensorOf({ outputs }: Inference, name: RequestedOutput['name']): Tensor {
  const tensor = outputs[name];
  if (tensor === undefined) throw new Error(`the model gave no ${name}`);
  return tensor;
}

/** Whether the output is sent as names of classes. */
function namesClasses({ name, classes }: RequestedOutput): boolean {
  return classes !== undefined && (name === 'probabilities' || name === 'logits');
}

/** `score:index:label` of the most probable classes of each image. */
async function classTexts({ labels }: Inference, { data, shape }: Tensor, classes: number): Promise<string[]> {
  const [images = 1] = shape;
  const length = data.length / images;
  const texts: string[] = [];
  for (let row = 0; row < images; row++) {
    if (row > 0) await setImmediate();
    const scores = data.subarray(row * length, (row + 1) * length);
    for (const { index, score } of topK(scores, classes, Number.NEGATIVE_INFINITY)) {
      texts.push(`${score}:${index}:${labels[index]?.label ?? ''}`);
    }
  }
  return texts;
}
