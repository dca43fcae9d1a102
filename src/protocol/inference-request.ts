import { z } from 'zod';
import type { InferenceRequest } from '../answering/tensor-inference.ts';
import { AppError } from '../common/errors.ts';
import { describeIssues } from '../registry/manifest.ts';
import {
  CLASSIFIER_OUTPUTS,
  OUTPUT_NAMES,
  type OutputName,
  RUNTIME_NAMES,
  type RuntimeName,
} from '../runtime/session.ts';
import { checkJsonLength, checkJsonStructure } from './json-structure.ts';
import { checkImageBytes, checkImageCount, type ParserLimits } from './limits.ts';
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

/** A request whose members are right, but for the data of its input. */
export type CheckedRequest = z.output<typeof requestSchema>;

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
  const request = checkRequest(parseJson(body.subarray(0, jsonLength)));
  return protocolRequest(request, readInput(request.inputs[0], body.subarray(jsonLength), limits), false);
}

/** Checks a request, whose input may still have any data. @throws AppError `invalid_request` */
export function checkRequest(given: unknown): CheckedRequest {
  const parsed = requestSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw invalid(`The request is not valid (${describeIssues(parsed.error)}); send one input called "${INPUT_NAME}".`);
}

/**
 * A request that has been checked, with its input.
 * @param binaryByDefault whether outputs are binary where the request does not say so
 * @throws AppError `invalid_request`
 */
export function protocolRequest(
  { id, parameters, outputs = [] }: CheckedRequest,
  input: ProtocolRequest['input'],
  binaryByDefault: boolean,
): ProtocolRequest {
  const isBinary = parameters?.binary_data_output ?? binaryByDefault;
  const requested = outputs.map(({ name, parameters: own }): RequestedOutput => {
    const { binary_data: binary = isBinary, classification: classes } = own ?? {};
    return { name, binary, ...(classes !== undefined && classes > 0 && { classes }) };
  });
  if (new Set(requested.map(({ name }) => name)).size < requested.length) throw invalid('An output is named twice.');
  return {
    ...(id !== undefined && { id }),
    runtime: parameters?.runtime ?? 'onnx',
    input,
    outputs: requested.length > 0 ? requested : CLASSIFIER_OUTPUTS.map((name) => ({ name, binary: isBinary })),
  };
}

/** The outputs to compute, always in the same order: images with equal outputs share batches. */
export function computedOutputs({ outputs }: Pick<ProtocolRequest, 'outputs'>): OutputName[] {
  return OUTPUT_NAMES.filter((name) => outputs.some((each) => each.name === name));
}

/**
 * The number of files in a BYTES input.
 * @throws AppError `invalid_request` for a shape that is not one file for each image
 */
export function fileCount([files = 0, ...others]: readonly number[]): number {
  if (files > 0 && others.every((each) => each === 1)) return files;
  throw invalid(
    `The BYTES input has shape [${[files, ...others].join(', ')}]; it takes one file per image: [n] or [n, 1].`,
  );
}

function parseJson(bytes: Buffer): unknown {
  checkJsonLength(bytes);
  checkJsonStructure(bytes);
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw invalid(
      'The body is not valid JSON; where binary data follow, Inference-Header-Content-Length is the length ' +
        'of the JSON.',
    );
  }
}

function readInput(
  { datatype, shape, parameters, data }: CheckedRequest['inputs'][0],
  binary: Buffer,
  limits: ParserLimits,
): InferenceRequest['input'] {
  checkImageCount(shape[0] ?? 0, limits);
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
  const images = fileCount(shape);
  const files = announced === undefined ? filesFromJson(data, images) : filesFromBinary(binary, images);
  checkImageBytes(files, limits);
  return { images: files };
}

function invalid(detail: string): AppError {
  return new AppError('invalid_request', detail);
}
