import { type ProtocolRequest, parseInferenceRequest } from './inference-request.ts';
import { type JsonImages, parseJsonImages } from './json-images.ts';
import type { ParserLimits } from './limits.ts';
import { type MessageRequest, parseInferenceMessage } from './message-request.ts';
import { type PredictionRequest, parsePredictionRequest } from './prediction-request.ts';

/** What each kind of body is parsed to. */
export interface ParsedBodies {
  /** Of the Open Inference Protocol, version 2. */
  readonly infer: ProtocolRequest;
  /** The same as a message of gRPC. */
  readonly message: MessageRequest;
  /** Of version 1. */
  readonly predict: PredictionRequest;
  /** Images as base64. */
  readonly images: JsonImages;
}

type Parsers = {
  readonly [Kind in keyof ParsedBodies]: (body: Buffer, jsonLength: number, limits: ParserLimits) => ParsedBodies[Kind];
};

/** Parsers of bodies that may be long. Each throws AppErrors. */
export const PARSERS: Parsers = {
  infer: parseInferenceRequest,
  message: (body, _jsonLength, limits) => parseInferenceMessage(body, limits),
  predict: (body, _jsonLength, limits) => parsePredictionRequest(body, limits),
  images: (body, _jsonLength, limits) => parseJsonImages(body, limits),
};

/** The bytes of what was parsed, which a thread moves to another one rather than copying them. */
export function bytesOf(parsed: ParsedBodies[keyof ParsedBodies]): readonly Uint8Array[] {
  if (!('input' in parsed)) return parsed.images.map(({ bytes }) => bytes);
  return 'pixels' in parsed.input ? [parsed.input.pixels.data] : parsed.input.images;
}
