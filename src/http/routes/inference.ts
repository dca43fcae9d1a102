import type { Request, Response } from 'express';
import { imageCount, type TensorInference } from '../../answering/tensor-inference.ts';
import type { ModelControl } from '../../catalogue/model-control.ts';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';
import type { InferenceStatistics } from '../../metrics/inference-statistics.ts';
import type { BodyParser } from '../../protocol/body-parser.ts';
import { computedOutputs, JSON_LENGTH_HEADER, jsonLengthOf } from '../../protocol/inference-request.ts';
import { inferenceResponse } from '../../protocol/inference-response.ts';
import { metadataDocument, referenceTo } from '../../protocol/model-metadata.ts';
import { allStatistics, type BatchSettings, configurationDocument, modelStatistics } from '../../protocol/triton.ts';
import type { ByteBudget } from '../../serving/byte-budget.ts';
import { readBody } from '../body.ts';
import { clientSignal } from '../client-gone.ts';
import { noteWork } from '../middleware/request-state.ts';
import { sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

/** Supported extensions of the protocol, by Triton's names. */
const EXTENSIONS = ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'];
/** Types that the input takes, the first one by default. */
const INPUT_TYPES = ['UINT8', 'FP32', 'BYTES'];

interface InferenceDependencies {
  readonly inference: Pick<TensorInference, 'describe' | 'infer'>;
  readonly control: Pick<ModelControl, 'state' | 'index'>;
  readonly statistics: Pick<InferenceStatistics, 'of'>;
  readonly config: BatchSettings & Pick<Config, 'maxBodyBytes' | 'requestTimeoutMs' | 'stallTimeoutMs'>;
  readonly bodyBudget: ByteBudget;
  readonly parser: Pick<BodyParser, 'parse'>;
  readonly version: string;
}

/**
 * The Open Inference Protocol, version 2: metadata, readiness and inference, with and without a version in the path.
 */
export function inferenceRoutes(dependencies: InferenceDependencies): Route[] {
  const { inference, control, statistics, config, bodyBudget: budget, parser, version } = dependencies;
  const { maxBodyBytes: maxBytes, requestTimeoutMs: timeoutMs, stallTimeoutMs } = config;
  const infer = async (request: Request, response: Response): Promise<void> => {
    // Any media type is taken: clients of the protocol send none, or that of JSON although binary data follow it.
    const body = await readBody(request, { maxBytes, timeoutMs, stallTimeoutMs, budget });
    const signal = clientSignal(response);
    const jsonLength = jsonLengthOf(body.length, request.headers[JSON_LENGTH_HEADER]?.toString());
    const parsed = await parser.parse('infer', body, signal, jsonLength);
    const model = referenceOf(request);
    noteWork(response, { model, images: imageCount(parsed.input) });
    const answer = await inference.infer({
      model,
      runtime: parsed.runtime,
      input: parsed.input,
      outputs: computedOutputs(parsed),
      signal,
    });
    noteWork(response, { model: `${answer.model}@${answer.version}` });
    const { json, binary } = await inferenceResponse(answer, parsed);
    const whole = binary.length === 0 ? json : Buffer.concat([json, ...binary]);
    response.setHeader('Content-Type', binary.length === 0 ? 'application/json' : 'application/octet-stream');
    if (binary.length > 0) response.setHeader('Inference-Header-Content-Length', json.length);
    response.setHeader('Content-Length', whole.length);
    response.end(whole);
  };
  const describe = async (request: Request, response: Response): Promise<void> => {
    const { inputs, ...document } = metadataDocument(await inference.describe(referenceOf(request)));
    const parameters = { datatypes: INPUT_TYPES };
    sendJson(response, 200, { ...document, inputs: inputs.map((input) => ({ ...input, parameters })) });
  };
  const configuration = async (request: Request, response: Response): Promise<void> => {
    sendJson(response, 200, configurationDocument(await inference.describe(referenceOf(request)), config));
  };
  const measured = async (request: Request, response: Response): Promise<void> => {
    const reference = referenceOf(request);
    const specification = await inference.describe(reference);
    sendJson(response, 200, { model_stats: modelStatistics(reference, specification, statistics) });
  };
  const ready = (request: Request, response: Response): void => {
    const reference = referenceOf(request);
    const { state, reason } = control.state(reference);
    if (state !== 'READY') {
      const why = state === 'LOADING' ? 'it is being loaded' : reason;
      throw new AppError('model_not_loaded', `Model "${reference}" is not loaded: ${why}.`);
    }
    sendJson(response, 200, { name: pathParameter(request, 'id'), ready: true });
  };
  return [
    {
      method: 'get',
      path: '/v2',
      handle: (_request, response) => sendJson(response, 200, { name: 'menagerie', version, extensions: EXTENSIONS }),
    },
    // Before the route of a model, which could have this name.
    {
      method: 'get',
      path: '/v2/models/stats',
      handle: (_request, response) =>
        sendJson(response, 200, { model_stats: allStatistics(control.index(false), statistics) }),
    },
    ...['/v2/models/{id}', '/v2/models/{id}/versions/{version}'].flatMap((path): Route[] => [
      { method: 'get', path, handle: describe },
      { method: 'get', path: `${path}/ready`, handle: ready },
      { method: 'get', path: `${path}/config`, handle: configuration },
      { method: 'get', path: `${path}/stats`, handle: measured },
      { method: 'post', path: `${path}/infer`, handle: infer },
    ]),
  ];
}

/** The reference in a path: `name`, `name@version` or `name@alias`. */
function referenceOf(request: Request): string {
  const { version } = request.params;
  return referenceTo(pathParameter(request, 'id'), version?.toString());
}
