import { z } from 'zod';
import type { InferenceRequest } from '../../answering/tensor-inference.ts';
import { AppError } from '../../common/errors.ts';
import { describeIssues } from '../../registry/manifest.ts';
import {
  CLASSIFIER_OUTPUTS,
  OUTPUT_NAMES,
  type OutputName,
  RUNTIME_NAMES,
  type RuntimeName,
} from '../../runtime/session.ts';
import { checkImageBytes, checkImageCount, type ParserLimits } from '../parsing/limits.ts';
import { checkJsonLength, checkJsonStructure } from './json-structure.ts';
import { filesFromBinary, filesFromJson, readPixels } from './tensor-data.ts';

/** The one input of every model. */
export const INPUT_NAME = 'pixels';
/** Header with the length of the JSON before binary data, in lower case as Node has it. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';
/** Characters of the request's `id`, which the answer repeats. */
const MAX_ID_LENGTH = 1024;
/** Images have four dimensions. */
const MAX_DIMENSIONS = 8;

const size = z.int().nonnegative();
const outputSchema = z.object({
  name: z.enum(OUTPUT_NAMES),
  parameters: z
    .looseObject({ binary_data: z.boolean().optional(), classification: z.int().nonnegative().optional() })
    .optional(),
});
const requestSchema = z.object({
  id: z.string().max(MAX_ID_LENGTH).optional(),
  parameters: z
    .looseObject({ binary_data_output: z.boolean().optional(), runtime: z.enum(RUNTIME_NAMES).optional() })
    .optional(),
  inputs: z.tuple([
    z.object({
      name: z.literal(INPUT_NAME),
      datatype: z.enum(['UINT8', 'FP32', 'BYTES']),
      // Lengths first: each wrong element would be an issue of its own.
      shape: z.array(z.unknown()).min(1).max(MAX_DIMENSIONS).pipe(z.array(size)),
      parameters: z.looseObject({ binary_data_size: size.optional() }).optional(),
      // Read without a schema, which would visit millions of numbers one by one.
      data: z.unknown().optional(),
    }),
  ]),
  outputs: z.array(z.unknown()).max(OUTPUT_NAMES.length).pipe(z.array(outputSchema)).optional(),
});

type RequestJson = z.output<typeof requestSchema>;

/** A requested output. */
export interface RequestedOutput {
  readonly name: OutputName;
  /** Whether to send it as binary data. */
  readonly binary: boolean;
  /** Number of the most probable classes whose names to send in place of the values. */
  readonly classes?: number;
}

/** An inference request of the Open Inference Protocol. */
export interface ProtocolRequest {
  readonly id?: string;
  readonly runtime: RuntimeName;
  readonly input: InferenceRequest['input'];
  readonly outputs: readonly RequestedOutput[];
}

/**
 * Length of the JSON in a body. @param header value of `Inference-Header-Content-Length` @throws AppError
 * `invalid_request`
 */
export function jsonLengthOf(bodyLength: number, header: string | undefined): number {
  const length = header === undefined ? bodyLength : Number(header);
  if (Number.isSafeInteger(length) && length >= 0 && length <= bodyLength) return length;
  throw invalid(`Inference-Header-Content-Length is ${header?.slice(0, 20)}; the body has ${bodyLength} bytes.`);
}

/**
 * Parses the body of an inference request: JSON, followed by the binary data of tensors.
 * @throws AppError `invalid_request`, `too_many_images`, `body_too_large`
 */
export function parseInferenceRequest(body: Buffer, jsonLength: number, limits: ParserLimits): ProtocolRequest {
  const { id, parameters, inputs, outputs = [] } = parseJson(body.subarray(0, jsonLength));
  const binaryByDefault = parameters?.binary_data_output ?? false;
  const requested = outputs.map(({ name, parameters: own }): RequestedOutput => {
    const { binary_data: binary = binaryByDefault, classification: classes } = own ?? {};
    return { name, binary, ...(classes !== undefined && classes > 0 && { classes }) };
  });
  if (new Set(requested.map(({ name }) => name)).size < requested.length) throw invalid('An output is named twice.');
  return {
    ...(id !== undefined && { id }),
    runtime: parameters?.runtime ?? 'onnx',
    input: readInput(inputs[0], body.subarray(jsonLength), limits),
    outputs: requested.length > 0 ? requested : CLASSIFIER_OUTPUTS.map((name) => ({ name, binary: binaryByDefault })),
  };
}

function parseJson(bytes: Buffer): RequestJson {
  checkJsonLength(bytes);
  checkJsonStructure(bytes);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch {
    throw invalid(
      'The body is not valid JSON; where binary data follow, Inference-Header-Content-Length is the length ' +
        'of the JSON.',
    );
  }
  const parsed = requestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw invalid(`The request is not valid (${describeIssues(parsed.error)}); send one input called "${INPUT_NAME}".`);
}

function readInput(
  { datatype, shape, parameters, data }: RequestJson['inputs'][0],
  binary: Buffer,
  limits: ParserLimits,
): InferenceRequest['input'] {
  const [images = 0, ...others] = shape;
  checkImageCount(images, limits);
  const announced = parameters?.binary_data_size;
  if ((announced ?? 0) !== binary.length || (announced !== undefined && data !== undefined)) {
    throw invalid(
      `The input has ${announced === undefined ? 'no binary_data_size' : `binary_data_size ${announced}`}, and ` +
        `${binary.length} bytes follow the JSON; a tensor has either "data" or binary data of exactly that size.`,
    );
  }
  if (datatype !== 'BYTES') {
    return { pixels: readPixels(announced === undefined ? { json: data } : { binary }, datatype, shape) };
  }
  if (images === 0 || others.some((each) => each !== 1)) {
    throw invalid(`The BYTES input has shape [${shape.join(', ')}]; it takes one file per image: [n] or [n, 1].`);
  }
  const files = announced === undefined ? filesFromJson(data, images) : filesFromBinary(binary, images);
  checkImageBytes(files, limits);
  return { images: files };
}

function invalid(detail: string): AppError {
  return new AppError('invalid_request', detail);
}
