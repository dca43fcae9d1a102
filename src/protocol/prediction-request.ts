import { z } from 'zod';
import type { InferenceRequest } from '../answering/tensor-inference.ts';
import { AppError } from '../common/errors.ts';
import { decodeBase64 } from './base64.ts';
import { checkJsonLength, checkJsonStructure } from './json-structure.ts';
import { checkImageBytes, checkImageCount, type ParserLimits } from './limits.ts';
import { readPixels } from './tensor-data.ts';

const requestSchema = z.looseObject({ instances: z.array(z.unknown()).min(1) });
const fileSchema = z.strictObject({ b64: z.string() });

const EXAMPLE =
  'send {"instances": [{"b64": "<base64 of a file>"}]}, or pixels of 0 to 255 as nested arrays of height, width and ' +
  'red, green, blue';

/** A request of version 1 of the protocol. */
export interface PredictionRequest {
  readonly input: InferenceRequest['input'];
}

/**
 * Parses `{"instances": [...]}`: files, or pixels.
 * @throws AppError `invalid_request`, `too_many_images`, `body_too_large`
 */
export function parsePredictionRequest(body: Buffer, limits: ParserLimits): PredictionRequest {
  checkJsonLength(body);
  checkJsonStructure(body);
  const parsed = requestSchema.safeParse(parseJson(body));
  if (!parsed.success) throw invalid('"instances" is missing or empty');
  const { instances } = parsed.data;
  checkImageCount(instances.length, limits);
  if (instances.every((each) => Array.isArray(each))) return { input: { pixels: pixelsOf(instances) } };
  const images = instances.map((each, index) => {
    const file = fileSchema.safeParse(each);
    const bytes = file.success ? decodeBase64(file.data.b64) : undefined;
    if (bytes === undefined) throw invalid(`instance ${index} is no {"b64": "..."} with base64 text`);
    return bytes;
  });
  checkImageBytes(images, limits);
  return { input: { images } };
}

/** The shape is that of the first instance; `readPixels` counts the numbers. */
function pixelsOf(instances: readonly unknown[]) {
  const shape = [instances.length];
  for (let inner = instances[0]; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  return readPixels({ json: instances }, 'FP32', shape);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw invalid('it is not valid JSON');
  }
}

function invalid(what: string): AppError {
  return new AppError('invalid_request', `The body is not valid: ${what}; ${EXAMPLE}.`, {
    context: { field: 'instances' },
  });
}
