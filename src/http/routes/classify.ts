import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { Classification, ImageClassifier, ImageResult, Prediction } from '../../answering/image-classification.ts';
import { AppError } from '../../common/errors.ts';
import { TTA_MODES, type TtaMode, VIEWS } from '../../image/views.ts';
import { VARIANTS } from '../../registry/registry.ts';
import { RUNTIME_NAMES } from '../../runtime/session.ts';
import { clientSignal } from '../client-gone.ts';
import { noteWork } from '../middleware/request-state.ts';
import { oneOf, parseOptions, share, yesOrNo } from '../options.ts';
import { problemOf } from '../problem.ts';
import { hundredths, send } from '../respond.ts';
import { type AutoPullDependencies, orPull } from './auto-pull.ts';
import { createImageReader, type ImageBodyDependencies } from './image-body.ts';
import type { Route } from './route.ts';

const DEFAULT_TOP_K = 5;
/** Predictions in one answer, or concepts above them: 20 MB of JSON. */
const MAX_PREDICTIONS = 200_000;

const optionsSchema = z.strictObject({
  model: z.string().min(1, 'must name a model').optional(),
  top_k: z
    .string()
    .regex(/^0*[1-9]\d{0,8}$/, 'must be a whole number of at least 1')
    .transform(Number)
    .default(DEFAULT_TOP_K),
  runtime: oneOf(RUNTIME_NAMES).default('onnx'),
  variant: oneOf(VARIANTS).default('float32'),
  threshold: share.optional(),
  hierarchy: yesOrNo.optional(),
  tta: oneOf(TTA_MODES).optional(),
});

type ClassifyDependencies = ImageBodyDependencies &
  AutoPullDependencies & {
    readonly classifier: Pick<ImageClassifier, 'classify'>;
  };

/** `POST /classify`: classifies the images of a form, or the one image of a raw body. */
export function classifyRoutes({ classifier, ...dependencies }: ClassifyDependencies): Route[] {
  const readImages = createImageReader(dependencies);
  return [
    {
      method: 'post',
      path: '/classify',
      handle: orPull(dependencies, async (request, response) => {
        const { requestId, startedAt } = response.locals;
        const { fields, images } = await readImages(request, response);
        const receivedAt = performance.now();
        const options = parseOptions(optionsSchema, request.query, fields);
        const { top_k: topK, threshold, hierarchy, tta, runtime, variant, model } = options;
        if (tta !== undefined) checkViews(images.length, tta, dependencies.config);
        noteWork(response, { ...(model !== undefined && { model }), images: images.length });
        const classification = await classifier.classify({
          ...(model !== undefined && { model }),
          runtime,
          variant,
          topK,
          ...(threshold !== undefined && { threshold }),
          ...(hierarchy !== undefined && { hierarchy }),
          ...(tta !== undefined && { tta }),
          images,
          signal: clientSignal(response),
        });
        noteWork(response, { model: `${classification.model}@${classification.version}` });
        const [only] = classification.results;
        if (images.length === 1 && only !== undefined && 'error' in only) throw only.error;
        const json = await classificationJson(classification, requestId, { startedAt, receivedAt });
        send(response, 'application/json; charset=utf-8', json);
      }),
    },
  ];
}

/** @throws AppError `too_many_images` when there are more views of the images than images may be */
function checkViews(images: number, tta: TtaMode, { maxImages }: ImageBodyDependencies['config']): void {
  const most = Math.max(1, Math.floor(maxImages / VIEWS[tta]));
  if (images <= most) return;
  const detail = `tta=${tta} computes each image ${VIEWS[tta]} times: the request has ${images} images, and with it the limit is ${most}.`;
  throw new AppError('too_many_images', detail, { context: { max_images: most } });
}

/**
 * `Classification` of `openapi.yaml`, written image by image in turns with other requests.
 * @throws AppError `invalid_request` when the answer would be too long
 */
async function classificationJson(
  { model, version, variant, runtime, results, timings }: Classification,
  requestId: string,
  { startedAt, receivedAt }: { readonly startedAt: number; readonly receivedAt: number },
): Promise<string> {
  const predictions = results.reduce((sum, result) => sum + ('error' in result ? 0 : entries(result.predictions)), 0);
  if (predictions > MAX_PREDICTIONS) {
    throw new AppError(
      'invalid_request',
      `The answer would have ${predictions} predictions and concepts above them, and the limit is ` +
        `${MAX_PREDICTIONS}; send fewer images or a smaller top_k.`,
      { context: { max_predictions: MAX_PREDICTIONS } },
    );
  }
  const written: string[] = [];
  for (const result of results) {
    if (written.length > 0) await setImmediate();
    written.push(JSON.stringify(resultDocument(result, requestId)));
  }
  const head = JSON.stringify({ model, version, variant, runtime });
  const durations = JSON.stringify({
    receive_ms: hundredths(receivedAt - startedAt),
    classify_ms: hundredths(timings.totalMs),
    total_ms: hundredths(performance.now() - startedAt),
  });
  return `${head.slice(0, -1)},"results":[${written.join(',')}],"timings":${durations}}`;
}

/** Entries of lists that predictions take: one each, and one for each concept above it. */
function entries(predictions: readonly Prediction[]): number {
  return predictions.reduce((sum, { path = [] }) => sum + 1 + path.length, 0);
}

function resultDocument(result: ImageResult, requestId: string) {
  const { filename } = result;
  if ('error' in result) return { filename, error: problemOf(result.error, requestId) };
  const { decodeMs, queueMs, inferenceMs, batchSize } = result.timings;
  return {
    filename,
    predictions: result.predictions.map(({ label, score, index, synset = null, path }) => ({
      label,
      score,
      index,
      synset,
      ...(path !== undefined && { path }),
    })),
    ...(result.concept !== undefined && { concept: result.concept }),
    ...(result.unknown !== undefined && { unknown: result.unknown }),
    ...(result.novelty !== undefined && { novelty: result.novelty }),
    ...(result.warnings.length > 0 && { warnings: result.warnings }),
    timings: {
      decode_ms: hundredths(decodeMs),
      queue_ms: hundredths(queueMs),
      inference_ms: hundredths(inferenceMs),
      batch_size: batchSize,
    },
  };
}
