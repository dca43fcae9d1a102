import { topK } from '../../answering/postprocess.ts';
import type { Inference } from '../../answering/tensor-inference.ts';
import { AppError } from '../../common/errors.ts';
import type { Tensor } from '../../common/tensor.ts';
import type { ProtocolRequest, WantedOutput } from './inference-request.ts';
import { bytesToBinary } from './tensor-data.ts';

/** Numbers in one answer of JSON: to write them holds up the thread that answers everybody. */
const MAX_JSON_NUMBERS = 1_000_000;

/** An answer: JSON, and behind it the tensors that were wanted as binary data. */
export interface ProtocolResponse {
  readonly json: string;
  readonly binary: readonly Buffer[];
}

/**
 * The answer to an inference request.
 * @throws AppError `invalid_request` when more numbers were wanted as JSON than are written
 */
export function inferenceResponse(inference: Inference, { id, wanted }: ProtocolRequest): ProtocolResponse {
  const outputs = wanted.map((each) => outputOf(inference, each));
  const numbers = outputs.reduce((sum, { numbers: count }) => sum + count, 0);
  if (numbers > MAX_JSON_NUMBERS) {
    throw new AppError(
      'invalid_request',
      `The outputs have ${numbers} numbers, and at most ${MAX_JSON_NUMBERS} are written as JSON: ask for fewer outputs, ` +
        'or for binary data (binary_data_output).',
      { context: { max_numbers: MAX_JSON_NUMBERS } },
    );
  }
  const json = {
    model_name: inference.model,
    model_version: String(inference.version),
    ...(id !== undefined && { id }),
    outputs: outputs.map(({ head, data }) => ({ ...head, ...(data !== undefined && { data: data() }) })),
  };
  return { json: JSON.stringify(json), binary: outputs.flatMap(({ binary }) => binary ?? []) };
}

interface WrittenOutput {
  readonly head: Readonly<Record<string, unknown>>;
  /** Of an output in JSON. */
  readonly data?: () => readonly unknown[];
  readonly numbers: number;
  readonly binary?: Buffer;
}

function outputOf({ outputs, labels }: Inference, { name, binary: wantsBinary, classes }: WantedOutput): WrittenOutput {
  const tensor = outputs[name];
  if (tensor === undefined) throw new Error(`the model gave no ${name}`);
  if (classes !== undefined && (name === 'probabilities' || name === 'logits')) {
    const texts = rowsOf(tensor).flatMap((row) => classTexts(row, classes, (index) => labels[index]?.label ?? ''));
    const [images = 0] = tensor.shape;
    const head = { name, datatype: 'BYTES', shape: [images, texts.length / images] };
    if (!wantsBinary) return { head, data: () => texts, numbers: 0 };
    const binary = bytesToBinary(texts);
    return { head: { ...head, parameters: { binary_data_size: binary.length } }, binary, numbers: 0 };
  }
  const { data, shape } = tensor;
  const head = { name, datatype: 'FP32', shape };
  if (!wantsBinary) return { head, data: () => Array.from(data), numbers: data.length };
  const binary = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { head: { ...head, parameters: { binary_data_size: binary.length } }, binary, numbers: 0 };
}

function rowsOf({ data, shape: [images = 1] }: Tensor): Float32Array[] {
  const length = data.length / images;
  return Array.from({ length: images }, (_, row) => data.subarray(row * length, (row + 1) * length));
}

/** `score:index:label`, from the likeliest class. */
function classTexts(scores: Float32Array, classes: number, labelOf: (index: number) => string): string[] {
  return topK(scores, classes, Number.NEGATIVE_INFINITY).map(
    ({ index, score }) => `${score}:${index}:${labelOf(index)}`,
  );
}
