import { forEachConcurrently } from '../../common/concurrency.ts';
import { corrupt } from '../../image/corruptions/corrupt.ts';
import type { Preprocessing } from '../../image/crop.ts';
import { decodeImage } from '../../image/decode.ts';
import { preprocessDecoded } from '../../image/preprocess.ts';
import { thumbnail, thumbnailOf } from '../../image/thumbnail.ts';
import type { ImageSource } from '../dataset/image-source.ts';
import type { Preflight } from '../dataset/preflight.ts';
import { IN_FLIGHT } from '../features/local-model.ts';
import type { TestResult } from '../head/test-result.ts';
import { corruptedPicture } from './test-report.ts';

/** Longer side of the report's pictures, in pixels. */
const THUMBNAIL_SIDE = 96;

/** Small pictures of the images that the report names, as data URIs by name. */
export async function reportPictures(
  test: TestResult | undefined,
  { images }: Pick<Preflight, 'images'>,
  source: Pick<ImageSource, 'read'>,
  { maxPixels, preprocessing }: { readonly maxPixels: number; readonly preprocessing: Preprocessing },
): Promise<ReadonlyMap<string, string>> {
  const thumbnails = new Map<string, string>();
  if (test === undefined) return thumbnails;
  await forEachConcurrently(test.robustness?.worst ?? [], IN_FLIGHT, async (answer) => {
    const found = images.find(({ file }) => file.name === answer.id);
    if (found === undefined) return;
    const image = await decodeImage(await source.read(found.file), maxPixels, preprocessing.icc);
    const [height, width] = preprocessing.inputSize;
    const input = { pixels: await preprocessDecoded(image, preprocessing), width, height };
    const pixels = await corrupt(input, answer, found.digest);
    thumbnails.set(corruptedPicture(answer), await thumbnailOf({ pixels, width, height }, THUMBNAIL_SIDE));
  });
  const { worstMistakes, leastCertain, confusedPairs, cells } = test.evaluation;
  const named = new Set([
    ...[...worstMistakes, ...leastCertain, ...cells.flatMap(({ examples }) => examples)].map(({ id }) => id),
    ...confusedPairs.flatMap(({ examples }) => examples),
  ]);
  const shown = images.filter(({ file }) => named.has(file.name));
  await forEachConcurrently(shown, IN_FLIGHT, async ({ file }) => {
    thumbnails.set(file.name, await thumbnail(await source.read(file), THUMBNAIL_SIDE, maxPixels));
  });
  return thumbnails;
}
