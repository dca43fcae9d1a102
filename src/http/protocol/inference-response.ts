import { setImmediate } from 'node:timers/promises';
import { topK } from '../../answering/postprocess.ts';
import type { Inference } from '../../answering/tensor-inference.ts';
import { AppError } from '../../common/errors.ts';
import type { Tensor } from '../../common/tensor.ts';
import type { ProtocolRequest, RequestedOutput } from './inference-request.ts';
import { textsToBinary } from './tensor-data.ts';

/** Values in one answer as JSON: 20 MB of text. */
const MAX_JSON_VALUES = 1_000_000;
/** Values that are written before other requests have their turn: about 2 ms. */
const VALUES_PER_TURN = 8_192;

/** An answer: JSON, followed by the tensors that were requested as binary data. */
export interface ProtocolResponse {
  readonly json: Buffer;
  readonly binary: readonly Buffer[];
}

/**
 * Writes the answer to an inference request, in turns with other requests.
 * @throws AppError `invalid_request` when the outputs are too many values for JSON
 */
export async function inferenceResponse(
  inference: Inference,
  { id, outputs: requested }: ProtocolRequest,
): Promise<ProtocolResponse> {
  checkJsonValues(requested.reduce((sum, output) => sum + jsonValues(inference, output), 0));
  const head = {
    model_name: inference.model,
    model_version: String(inference.version),
    ...(id !== undefined && { id }),
  };
  const outputs: string[] = [];
  const binary: Buffer[] = [];
  for (const output of requested) {
    const { text, bytes } = await writeOutput(inference, output);
    outputs.push(text);
    if (bytes !== undefined) binary.push(bytes);
  }
  return { json: Buffer.from(`${JSON.stringify(head).slice(0, -1)},"outputs":[${outputs.join(',')}]}`), binary };
}

/** @throws AppError `invalid_request` when an answer would have too many values for JSON */
export function checkJsonValues(values: number): void {
  if (values <= MAX_JSON_VALUES) return;
  throw new AppError(
    'invalid_request',
    `The outputs have ${values} values, and the limit in JSON is ${MAX_JSON_VALUES}: request fewer outputs or binary ` +
      'data (binary_data_output).',
    { context: { max_values: MAX_JSON_VALUES } },
  );
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

function jsonValues(inference: Inference, output: RequestedOutput): number {
  return output.binary || namesClasses(output) ? 0 : tensorOf(inference, output.name).data.length;
}

async function writeOutput(
  inference: Inference,
  output: RequestedOutput,
): Promise<{ readonly text: string; readonly bytes?: Buffer }> {
  const { name, binary, classes = 0 } = output;
  const { data, shape } = tensorOf(inference, name);
  if (namesClasses(output)) {
    const texts = await classTexts(inference, { data, shape }, classes);
    const [images = 0] = shape;
    const head = { name, datatype: 'BYTES', shape: [images, texts.length / images] };
    return binary ? withBinary(head, textsToBinary(texts)) : { text: JSON.stringify({ ...head, data: texts }) };
  }
  const head = { name, datatype: 'FP32', shape };
  if (binary) return withBinary(head, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return { text: `${JSON.stringify(head).slice(0, -1)},"data":[${await writeValues(data)}]}` };
}

function withBinary(head: object, bytes: Buffer): { readonly text: string; readonly bytes: Buffer } {
  return { text: JSON.stringify({ ...head, parameters: { binary_data_size: bytes.length } }), bytes };
}

/** Numbers of a JSON array, written in turns with other requests. */
export async function writeValues(values: Float32Array): Promise<string> {
  const texts: string[] = [];
  for (let start = 0; start < values.length; start += VALUES_PER_TURN) {
    if (start > 0) await setImmediate();
    texts.push(JSON.stringify(Array.from(values.subarray(start, start + VALUES_PER_TURN))).slice(1, -1));
  }
  return texts.join(',');
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
