import type { Explanation } from '../../answering/image-explanation.ts';
import { AppError } from '../../common/errors.ts';
import { clientSignal } from '../client-signal.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { parseExplainOptions } from '../explain-options.ts';
import { createImageReceiver } from '../image-body.ts';
import { hundredths, send, sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** `POST /explain`: where an image shows a class, as numbers or as a picture. */
export function explainRoutes({ explainer, limits }: Pick<HttpDependencies, 'explainer' | 'limits'>): Route[] {
  const receive = createImageReceiver(limits);
  return [
    {
      method: 'post',
      path: '/explain',
      handle: async (request, response) => {
        const { startedAt } = response.locals;
        const { fields, images } = await receive(request, response);
        const receivedAt = performance.now();
        const { format, opacity, ...options } = parseExplainOptions(request.query, fields);
        const [image, ...others] = images;
        if (image === undefined || others.length > 0) throw notOne(images.length);
        const asked = { ...options, image, signal: clientSignal(response) };
        if (format === 'png') {
          send(response, 'image/png', await explainer.draw(asked, opacity));
        } else {
          sendJson(response, 200, answer(await explainer.explain(asked), { startedAt, receivedAt }));
        }
      },
    },
  ];
}

function answer(
  { model, version, method, prediction, image, crop, heatmap, timings }: Explanation,
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
    timings: {
      receive_ms: hundredths(receivedAt - startedAt),
      decode_ms: hundredths(timings.decodeMs),
      queue_ms: hundredths(timings.queueMs),
      inference_ms: hundredths(timings.inferenceMs),
      total_ms: hundredths(performance.now() - startedAt),
    },
  };
}

function notOne(count: number): AppError {
  return new AppError('too_many_images', `There are ${count} images; one is explained at a time.`, {
    context: { max_images: 1 },
  });
}
