import type { InferenceRequest } from '../answering/tensor-inference.ts';
import { AppError, messageOf } from '../common/errors.ts';
import { decode, type ValueOf } from '../common/protobuf.ts';
import { elementCount, type Tensor } from '../common/tensor.ts';
import { inferenceRequest, parameterValues, type TensorContents } from '../oip/messages.ts';
import {
  type CheckedRequest,
  checkRequest,
  fileCount,
  type ProtocolRequest,
  protocolRequest,
} from './inference-request.ts';
import { checkImageBytes, checkImageCount, type ParserLimits } from './limits.ts';
import { filesFromBinary, readPixels } from './tensor-data.ts';

/** Fields and elements of a request: names, parameters, and one file for each image. */
const MAX_FIELDS = 20_000;

/** The field of the contents that holds values of a type, by our name and that of the protocol. */
const CONTENTS = {
  UINT8: { field: 'unsigned', called: 'uint_contents' },
  FP32: { field: 'floats', called: 'fp32_contents' },
  BYTES: { field: 'bytes', called: 'bytes_contents' },
} as const satisfies Record<string, { field: keyof TensorContents; called: string }>;

/** An inference request of the protocol in gRPC, with the model that HTTP has in the path. */
export interface MessageRequest extends ProtocolRequest {
  readonly model: string;
  /** Undefined where the server chooses. */
  readonly version: string | undefined;
}

/**
 * Parses the message of an inference request. Outputs are raw where the input is.
 * @throws AppError `invalid_request`, `too_many_images`, `body_too_large`
 */
export function parseInferenceMessage(bytes: Buffer, limits: ParserLimits): MessageRequest {
  const message = decoded(bytes);
  const { model = '', version = '', id = '', parameters, inputs = [], outputs = [], raw = [] } = message;
  const checked = checkRequest({
    ...(id !== '' && { id }),
    parameters: parameterValues(parameters),
    inputs: inputs.map((each) => ({ ...each, shape: each.shape ?? [], parameters: parameterValues(each.parameters) })),
    outputs: outputs.map((each) => ({ ...each, parameters: parameterValues(each.parameters) })),
  });
  const input = readInput(checked.inputs[0], inputs[0]?.contents, raw, limits);
  const request = protocolRequest(checked, input, raw.length > 0);
  if (new Set(request.outputs.map(({ binary }) => binary)).size > 1) {
    throw invalid('Some outputs are asked for as binary data and others not; in gRPC all are raw, or none.');
  }
  return { ...request, model, version: version === '' ? undefined : version };
}

function decoded(bytes: Buffer): ValueOf<typeof inferenceRequest> {
  try {
    return decode(inferenceRequest, bytes, MAX_FIELDS);
  } catch (thrown) {
    throw invalid(`The message is no ModelInferRequest (${messageOf(thrown)}).`);
  }
}

function readInput(
  { datatype, shape }: CheckedRequest['inputs'][0],
  contents: TensorContents | undefined,
  raw: readonly Uint8Array[],
  limits: ParserLimits,
): InferenceRequest['input'] {
  checkImageCount(shape[0] ?? 0, limits);
  const { field, called } = CONTENTS[datatype];
  const values = contents?.[field];
  const isElsewhere = Object.keys(contents ?? {}).some((name) => name !== field);
  const binary = raw[0];
  if (raw.length > 1 || (binary === undefined) === (values === undefined) || isElsewhere) {
    throw invalid(
      `The input must have its values in one place: ${datatype} in ${called}, or one element of raw_input_contents.`,
    );
  }
  if (datatype !== 'BYTES') {
    if (binary !== undefined) return { pixels: readPixels({ binary: asBuffer(binary) }, datatype, shape) };
    if (datatype === 'UINT8') return { pixels: pixelsOfVarints(values ?? [], shape) };
    return { pixels: readPixels({ binary: joined(values ?? []) }, datatype, shape) };
  }
  const images = fileCount(shape);
  const files = binary === undefined ? (values ?? []).map(asBuffer) : filesFromBinary(asBuffer(binary), images);
  if (files.length !== images) throw invalid(`The input has ${files.length} files; its shape needs ${images}.`);
  checkImageBytes(files, limits);
  return { images: files };
}

/** Pixels that are packed varints, of one or two bytes each. @throws AppError `invalid_request` */
function pixelsOfVarints(chunks: readonly Uint8Array[], shape: readonly number[]): Tensor<Uint8Array> {
  const bytes = joined(chunks);
  const count = elementCount(shape);
  let found = 0;
  // Each varint ends with the byte that has no highest bit.
  for (const byte of bytes) if (byte < 0x80) found += 1;
  if (found !== count) throw invalid(`The data of the input have ${found} numbers; its shape needs ${count}.`);
  const data = new Uint8Array(count);
  let index = 0;
  for (let position = 0; position < bytes.length; position++) {
    const low = bytes[position] ?? 0;
    const high = low < 0x80 ? 0 : (bytes[++position] ?? 0);
    if (high > 1) throw invalid('The input contains a number above 255; pixels are 0 to 255.');
    data[index++] = (low & 0x7f) | (high << 7);
  }
  return { data, shape };
}

function joined(chunks: readonly Uint8Array[]): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? asBuffer(first) : Buffer.concat(chunks);
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function invalid(detail: string): AppError {
  return new AppError('invalid_request', detail, { context: { field: 'inputs' } });
}
