import { setImmediate } from 'node:timers/promises';
import type { Inference } from '../answering/tensor-inference.ts';
import type { ProtocolRequest, RequestedOutput } from './inference-request.ts';
import { checkTypedValues, outputTensor } from './output-tensor.ts';
import { textsToBinary } from './tensor-data.ts';

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
  checkTypedValues(inference, requested);
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

async function writeOutput(
  inference: Inference,
  output: RequestedOutput,
): Promise<{ readonly text: string; readonly bytes?: Buffer }> {
  const tensor = await outputTensor(inference, output);
  const { name, datatype, shape } = tensor;
  const head = { name, datatype, shape };
  if (tensor.datatype === 'BYTES') {
    const { texts } = tensor;
    return output.binary ? withBinary(head, textsToBinary(texts)) : { text: JSON.stringify({ ...head, data: texts }) };
  }
  const { values } = tensor;
  if (output.binary) return withBinary(head, Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  return { text: `${JSON.stringify(head).slice(0, -1)},"data":[${await writeValues(values)}]}` };
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
