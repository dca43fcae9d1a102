import type { Classification, ImageResult } from '../../answering/image-classification.ts';
import { parseClassifyOptions } from '../classify-options.ts';
import { clientSignal } from '../client-signal.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { createImageReceiver } from '../image-body.ts';
import { problemOf } from '../problem.ts';
import { hundredths, sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** `POST /classify`: a form of one or many images, or the bytes of one image. */
export function classifyRoutes({ classifier, limits }: Pick<HttpDependencies, 'classifier' | 'limits'>): Route[] {
  const receive = createImageReceiver(limits);
  return [
    {
      method: 'post',
      path: '/classify',
      handle: async (request, response) => {
        const { requestId, startedAt } = response.locals;
        const { fields, images } = await receive(request, response);
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
