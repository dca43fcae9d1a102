import { z } from 'zod';
import type { InferenceRequest } from '../../answering/tensor-inference.ts';
import { AppError } from '../../common/errors.ts';
import { elementCount } from '../../common/tensor.ts';
import { describeIssues } from '../../registry/manifest.ts';
import { OUTPUT_NAMES, type OutputName, RUNTIME_NAMES, type RuntimeName } from '../../runtime/session.ts';
import { bytesFromBinary, bytesFromJson, readPixels } from './tensor-data.ts';

/** The one input of every model. */
export const INPUT_NAME = 'pixels';
/** Length of the JSON before binary data, in lower case as Node has it. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';
/** JSON is parsed on the thread that answers everybody: pixels belong into binary data. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;

const size = z.int().nonnegative();
const requestSchema = z.object({
  id: z.string().optional(),
  parameters: z
    .looseObject({ binary_data_output: z.boolean().optional(), runtime: z.enum(RUNTIME_NAMES).optional() })
    .optional(),
  inputs: z.tuple([
    z.object({
      name: z.literal(INPUT_NAME),
      datatype: z.enum(['UINT8', 'FP32', 'BYTES']),
      shape: z.array(size).min(1),
      parameters: z.looseObject({ binary_data_size: size.optional() }).optional(),
      // Looked at by itself: a schema would visit millions of numbers one by one.
      data: z.unknown().optional(),
    }),
  ]),
  outputs: z
    .array(
      z.object({
        name: z.enum(OUTPUT_NAMES),
        parameters: z
          .looseObject({ binary_data: z.boolean().optional(), classification: z.int().nonnegative().optional() })
          .optional(),
      }),
    )
    .optional(),
});

type Request = z.output<typeof requestSchema>;
type Input = Request['inputs'][0];

/** An output and how it is to be sent. */
export interface WantedOutput {
  readonly name: OutputName;
  readonly binary: boolean;
  /** Send the names of so many classes, from the likeliest, in place of the numbers. */
  readonly classes?: number;
}

/** An inference request of the Open Inference Protocol. */
export interface ProtocolRequest {
  readonly id?: string;
  readonly runtime: RuntimeName;
  readonly input: InferenceRequest['input'];
  readonly wanted: readonly WantedOutput[];
}

/** How much a request may hold. */
export interface ProtocolLimits {
  readonly maxImages: number;
  readonly maxImageBytes: number;
}

/**
 * Reads the body of an inference request: JSON, and behind it the binary data of tensors that are sent so.
 * @param jsonLength the header `Inference-Header-Content-Length`, where there is one
 * @throws AppError `invalid_request` that says what is wrong; `too_many_images`, `body_too_large`
 */
export function parseInferenceRequest(
  body: Buffer,
  jsonLength: string | undefined,
  limits: ProtocolLimits,
): ProtocolRequest {
  const length = jsonLength === undefined ? body.length : Number(jsonLength);
  if (!Number.isSafeInteger(length) || length < 0 || length > body.length) {
    throw invalid(`Inference-Header-Content-Length is ${jsonLength}; the body has ${body.length} bytes.`);
  }
  const { id, parameters, inputs, outputs } = parseJson(body.subarray(0, length));
  const binaryByDefault = parameters?.binary_data_output ?? false;
  const wanted = (outputs ?? []).map(({ name, parameters: own }): WantedOutput => {
    const { binary_data: binary = binaryByDefault, classification: classes } = own ?? {};
    return { name, binary, ...(classes !== undefined && classes > 0 && { classes }) };
  });
  if (new Set(wanted.map(({ name }) => name)).size < wanted.length) throw invalid('An output is named twice.');
  return {
    ...(id !== undefined && { id }),
    runtime: parameters?.runtime ?? 'onnx',
    input: readInput(inputs[0], body.subarray(length), limits),
    wanted: wanted.length > 0 ? wanted : OUTPUT_NAMES.map((name) => ({ name, binary: binaryByDefault })),
  };
}

function parseJson(bytes: Buffer): Request {
  if (bytes.length > MAX_JSON_BYTES) {
    throw new AppError(
      'body_too_large',
      `The JSON has ${bytes.length} bytes; at most ${MAX_JSON_BYTES} are taken: send the tensor as binary data.`,
      { context: { max_bytes: MAX_JSON_BYTES } },
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch {
    throw invalid(
      'The body is no JSON; where binary data follow, Inference-Header-Content-Length is the length of the JSON.',
    );
  }
  const parsed = requestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw invalid(`The request is wrong (${describeIssues(parsed.error)}); send one input called "${INPUT_NAME}".`);
}

function readInput(
  input: Input,
  binary: Buffer,
  { maxImages, maxImageBytes }: ProtocolLimits,
): InferenceRequest['input'] {
  const { datatype, shape, parameters, data } = input;
  const [images = 0] = shape;
  if (images > maxImages) {
    throw new AppError('too_many_images', `The input holds ${images} images; at most ${maxImages} are taken.`, {
      context: { max_images: maxImages },
    });
  }
  const announced = parameters?.binary_data_size;
  if ((announced ?? 0) !== binary.length || (announced !== undefined && data !== undefined)) {
    throw invalid(
      `The input has ${announced === undefined ? 'no binary_data_size' : `binary_data_size ${announced}`}, and ` +
        `${binary.length} bytes follow the JSON; a tensor has either "data" or binary data of just that size.`,
    );
  }
  if (datatype !== 'BYTES') {
    return { pixels: readPixels(announced === undefined ? { json: data } : { binary }, datatype, shape) };
  }
  if (elementCount(shape) !== images || images === 0) {
    throw invalid(`The BYTES input has shape [${shape.join(', ')}]; it takes a file an image: [n] or [n, 1].`);
  }
  const files = announced === undefined ? bytesFromJson(data, images) : bytesFromBinary(binary, images);
  const large = files.find(({ length }) => length > maxImageBytes);
  if (large === undefined) return { images: files };
  throw new AppError('body_too_large', `An image has ${large.length} bytes; at most ${maxImageBytes} are taken.`, {
    context: { max_bytes: maxImageBytes },
  });
}

function invalid(detail: string): AppError {
  return new AppError('invalid_request', detail);
}
