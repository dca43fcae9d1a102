import type { Inference } from '../answering/tensor-inference.ts';
import { encode } from '../common/protobuf.ts';
import { inferenceResponse, type TensorContents, type TensorMessage } from '../oip/messages.ts';
import type { ProtocolRequest } from './inference-request.ts';
import { checkTypedValues, type OutputTensor, outputTensor } from './output-tensor.ts';
import { textsToBinary } from './tensor-data.ts';

/**
 * Writes the answer to an inference request as a message.
 * @throws AppError `invalid_request` when the outputs are too many values to be sent one by one
 */
export async function inferenceMessage(
  inference: Inference,
  { id, outputs: requested }: Pick<ProtocolRequest, 'id' | 'outputs'>,
): Promise<Uint8Array> {
  checkTypedValues(inference, requested);
  const outputs: TensorMessage[] = [];
  const raw: Uint8Array[] = [];
  for (const output of requested) {
    const tensor = await outputTensor(inference, output);
    const { name, datatype, shape } = tensor;
    if (output.binary) raw.push(rawValues(tensor));
    outputs.push({ name, datatype, shape, ...(!output.binary && { contents: typedValues(tensor) }) });
  }
  return encode(inferenceResponse, {
    model: inference.model,
    version: String(inference.version),
    ...(id !== undefined && { id }),
    outputs,
    raw,
  });
}

function rawValues(tensor: OutputTensor): Uint8Array {
  return tensor.datatype === 'BYTES' ? textsToBinary(tensor.texts) : bytesOf(tensor.values);
}

function typedValues(tensor: OutputTensor): TensorContents {
  if (tensor.datatype === 'BYTES') return { bytes: tensor.texts.map((text) => Buffer.from(text)) };
  // Packed floats are the bytes of the values.
  return { floats: [bytesOf(tensor.values)] };
}

/** The memory of values, which is little-endian on every system that ONNX Runtime has libraries for. */
function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
