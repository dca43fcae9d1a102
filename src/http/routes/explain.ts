import { z } from 'zod';
import type { Explanation, ImageExplainer } from '../../answering/image-explanation.ts';
import { AppError } from '../../common/errors.ts';
import { clientSignal } from '../client-gone.ts';
import { noteWork } from '../middleware/request-state.ts';
import { oneOf, parseOptions, share } from '../options.ts';
import { hundredths, send, sendJson } from '../respond.ts';
import { type AutoPullDependencies, orPull } from './auto-pull.ts';
import { createImageReader, type ImageBodyDependencies } from './image-body.ts';
import type { Route } from './route.ts';

/** Formats of an explanation: a grid of numbers, or a picture. */
const FORMATS = ['json', 'png'] as const;
/** A third of the photo shows through where the heatmap is hottest. */
const DEFAULT_OPACITY = 0.65;

const optionsSchema = z.strictObject({
  model: z.string().min(1, 'must name a model').optional(),
  class: z.string().min(1, 'must be an index, a label or a synset of the model').optional(),
  format: oneOf(FORMATS).default('json'),
  opacity: share.default(DEFAULT_OPACITY),
});

type ExplainDependencies = ImageBodyDependencies &
  AutoPullDependencies & {
    readonly explainer: Pick<ImageExplainer, 'explain' | 'draw'>;
  };

/** `POST /explain`: shows where in an image the model sees a class. */
export function explainRoutes({ explainer, ...dependencies }: ExplainDependencies): Route[] {
  const readImages = createImageReader(dependencies);
  return [
    {
      method: 'post',
      path: '/explain',
      handle: orPull(dependencies, async (request, response) => {
        const { startedAt } = response.locals;
        const { fields, images } = await readImages(request, response);
        const receivedAt = performance.now();
        const { format, opacity, ...options } = parseOptions(optionsSchema, request.query, fields);
        const [image, ...others] = images;
        if (image === undefined || others.length > 0) throw notOneImage(images.length);
        noteWork(response, { ...(options.model !== undefined && { model: options.model }), images: 1 });
        const explanationRequest = { ...options, image, signal: clientSignal(response) };
        if (format === 'png') {
          send(response, 'image/png', await explainer.draw(explanationRequest, opacity));
        } else {
          const explanation = await explainer.explain(explanationRequest);
          sendJson(response, 200, explanationDocument(explanation, { startedAt, receivedAt }));
        }
      }),
    },
  ];
}

/** `Explanation` of `openapi.yaml`. */
function explanationDocument(
  { model, version, method, prediction, image, crop, heatmap, warnings, timings }: Explanation,
  { startedAt, receivedAt }: { readonly startedAt: number; readonly receivedAt: number },
) {
  const { label, score, index, synset = null } = prediction;
  const { height, width, values } = heatmap;
  return {
    model,
    version,
    method,
    class: { label, score, index, synset },
    image,
    crop,
    heatmap: {
      height,
      width,
      values: Array.from({ length: height }, (_, row) =>
        Array.from(values.subarray(row * width, (row + 1) * width), (value) => Math.round(value * 1e6) / 1e6),
      ),
    },
    ...(warnings.length > 0 && { warnings }),
    timings: {
      receive_ms: hundredths(receivedAt - startedAt),
      decode_ms: hundredths(timings.decodeMs),
      queue_ms: hundredths(timings.queueMs),
      inference_ms: hundredths(timings.inferenceMs),
      total_ms: hundredths(performance.now() - startedAt),
    },
  };
}

function notOneImage(count: number): AppError {
  return new AppError('too_many_images', `There are ${count} images; send one: images are explained one at a time.`, {
    context: { max_images: 1 },
  });
}
