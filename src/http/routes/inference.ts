import type { Request, Response } from 'express';
import { AppError } from '../../common/errors.ts';
import { OUTPUT_NAMES } from '../../runtime/session.ts';
import { readBody } from '../body.ts';
import { clientSignal } from '../client-signal.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { requireMediaType } from '../media-type.ts';
import { INPUT_NAME, JSON_LENGTH_HEADER, parseInferenceRequest } from '../protocol/inference-request.ts';
import { inferenceResponse } from '../protocol/inference-response.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** What of the protocol's extensions there is, by Triton's names. */
const EXTENSIONS = ['binary_tensor_data', 'classification', 'model_repository'];
/** The framework behind every model, by Triton's name. */
const PLATFORM = 'onnxruntime_onnx';

type Needs = Pick<HttpDependencies, 'inference' | 'control' | 'limits' | 'version'>;

/** The Open Inference Protocol, version 2: metadata, readiness and inference, with and without a version in the path. */
export function inferenceRoutes({ inference, control, limits, version }: Needs): Route[] {
  const infer = async (request: Request, response: Response): Promise<void> => {
    // Any type will do, since clients of the protocol send none, or that of JSON with binary data behind it.
    requireMediaType(request, /^/, 'it');
    const body = await readBody(request, limits.maxBodyBytes, limits.requestTimeoutMs);
    const parsed = parseInferenceRequest(body, request.headers[JSON_LENGTH_HEADER]?.toString(), limits);
    const answer = await inference.infer({
      model: referenceOf(request),
      runtime: parsed.runtime,
      input: parsed.input,
      // Always in one order: images that want the same share batches.
      outputs: OUTPUT_NAMES.filter((name) => parsed.wanted.some((each) => each.name === name)),
      signal: clientSignal(response),
    });
    const { json, binary } = inferenceResponse(answer, parsed);
    const head = Buffer.from(json);
    const whole = binary.length === 0 ? head : Buffer.concat([head, ...binary]);
    response.setHeader('Content-Type', binary.length === 0 ? 'application/json' : 'application/octet-stream');
    if (binary.length > 0) response.setHeader('Inference-Header-Content-Length', head.length);
    response.setHeader('Content-Length', whole.length);
    response.end(whole);
  };
  const describe = async (request: Request, response: Response): Promise<void> => {
    const { model, versions, input, outputs } = await inference.describe(referenceOf(request));
    sendJson(response, 200, {
      name: model,
      versions: versions.map(String),
      platform: PLATFORM,
      inputs: [{ name: INPUT_NAME, datatype: 'UINT8', shape: input }],
      outputs: OUTPUT_NAMES.filter((name) => outputs[name] !== undefined).map((name) => ({
        name,
        datatype: 'FP32',
        shape: outputs[name],
      })),
    });
  };
  const ready = (request: Request, response: Response): void => {
    const reference = referenceOf(request);
    const { state, reason } = control.state(reference);
    if (state !== 'READY') {
      const why = state === 'LOADING' ? 'it is being loaded' : reason;
      throw new AppError('model_not_loaded', `Model "${reference}" is not loaded: ${why}.`);
    }
    sendJson(response, 200, { name: String(request.params['id']), ready: true });
  };
  return [
    {
      method: 'get',
      path: '/v2',
      handle: (_request, response) => sendJson(response, 200, { name: 'menagerie', version, extensions: EXTENSIONS }),
    },
    ...['/v2/models/{id}', '/v2/models/{id}/versions/{version}'].flatMap((path): Route[] => [
      { method: 'get', path, handle: describe },
      { method: 'get', path: `${path}/ready`, handle: ready },
      { method: 'post', path: `${path}/infer`, handle: infer },
    ]),
  ];
}

/** `name`, `name@version` or `name@alias`, out of the path. */
function referenceOf({ params }: Request): string {
  const { id, version } = params;
  if (version === undefined) return String(id);
  if (String(id).includes('@')) {
    throw new AppError('invalid_request', `The path names a version, and "${id}" another one; leave one out.`);
  }
  return `${id}@${version}`;
}
