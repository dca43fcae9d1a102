import type { Request, Response } from 'express';
import { AppError } from '../../errors.ts';
import type { Classification, ImageResult } from '../../pipelines/image-classification.ts';
import { readPooledBody } from '../body.ts';
import { BufferPool } from '../buffer-pool.ts';
import { parseClassifyOptions } from '../classify-options.ts';
import { clientSignal } from '../client-signal.ts';
import type { HttpDependencies, HttpLimits } from '../dependencies.ts';
import { createFormReader, type Form, IMAGE_FIELD } from '../multipart.ts';
import { problemOf } from '../problem.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** The name under which the one image of a raw body is answered. */
const RAW_FILENAME = 'image';

/** `POST /classify`: a form of one or many images, or the bytes of one image. */
export function classifyRoutes({ classifier, limits }: Pick<HttpDependencies, 'classifier' | 'limits'>): Route[] {
  const readForm = createFormReader(limits);
  const pool = new BufferPool();
  return [
    {
      method: 'post',
      path: '/classify',
      handle: async (request, response) => {
        const { requestId, startedAt } = response.locals;
        const { fields, images } = await receive(request, response, { readForm, pool, limits });
        const receivedAt = performance.now();
        const { top_k: topK, threshold, runtime, model } = parseClassifyOptions(request.query, fields);
        const classification = await classifier.classify({
          ...(model !== undefined && { model }),
          runtime,
          topK,
          threshold,
          images,
          signal: clientSignal(response),
        });
        const [only] = classification.results;
        if (images.length === 1 && only !== undefined && 'error' in only) throw only.error;
        sendJson(response, 200, answer(classification, requestId, { startedAt, receivedAt }));
      },
    },
  ];
}

/** What bodies are read with. */
interface Receivers {
  readonly readForm: (request: Request, response: Response) => Promise<Form>;
  readonly pool: BufferPool;
  readonly limits: HttpLimits;
}

async function receive(request: Request, response: Response, { readForm, pool, limits }: Receivers): Promise<Form> {
  const type = request.headers['content-type'] ?? '';
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new AppError('unsupported_media_type', `The body is encoded as ${encoding}; send it as it is.`);
  }
  if (/^multipart\/form-data\b/i.test(type)) {
    const form = await readForm(request, response);
    if (form.images.length > 0) return form;
    const hint = IMAGE_FIELD in form.fields ? ', but as text: send it as a file, with a file name' : '';
    throw new AppError('no_image', `The form needs at least one file in the part "${IMAGE_FIELD}"${hint}.`);
  }
  if (/^(image\/|application\/octet-stream\b)/i.test(type)) {
    const body = await readPooledBody(request, pool, limits.maxImageBytes, limits.requestTimeoutMs);
    if (body.bytes.length > 0) return { fields: {}, images: [{ filename: RAW_FILENAME, ...body }] };
    throw new AppError('no_image', 'The body is empty; send the bytes of an image.');
  }
  throw new AppError(
    'unsupported_media_type',
    `The body is ${type === '' ? 'of no named type' : `"${type}"`}; send a multipart/form-data form with the image in ` +
      `the part "${IMAGE_FIELD}", or the bytes of an image with their type, such as "Content-Type: image/jpeg".`,
  );
}

interface Moments {
  readonly startedAt: number;
  readonly receivedAt: number;
}

function answer(
  { model, version, runtime, results, timings }: Classification,
  requestId: string,
  { startedAt, receivedAt }: Moments,
) {
  return {
    model,
    version,
    runtime,
    results: results.map((result) => resultOf(result, requestId)),
    timings: {
      receive_ms: hundredths(receivedAt - startedAt),
      classify_ms: hundredths(timings.totalMs),
      total_ms: hundredths(performance.now() - startedAt),
    },
  };
}

function resultOf(result: ImageResult, requestId: string) {
  const { filename } = result;
  if ('error' in result) return { filename, error: problemOf(result.error, requestId) };
  const { decodeMs, queueMs, inferenceMs, batchSize } = result.timings;
  return {
    filename,
    predictions: result.predictions.map(({ label, score, index, synset = null }) => ({ label, score, index, synset })),
    ...(result.unknown !== undefined && { unknown: result.unknown }),
    timings: {
      decode_ms: hundredths(decodeMs),
      queue_ms: hundredths(queueMs),
      inference_ms: hundredths(inferenceMs),
      batch_size: batchSize,
    },
  };
}

function hundredths(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
