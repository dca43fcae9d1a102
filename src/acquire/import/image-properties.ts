import { z } from 'zod';
import type { FoundFacts } from './found-facts.ts';

/** Pixels of 0 to 1, of -1 to 1 and of 0 to 255, by the names of ONNX's image metadata. */
const RANGES: Readonly<Record<string, { readonly mean: number; readonly std: number }>> = {
  normalized_0_1: { mean: 0, std: 1 },
  normalized_1_1: { mean: 0.5, std: 0.5 },
  nominalrange_0_255: { mean: 0, std: 1 / 255 },
};
const ORDERS: Readonly<Record<string, 'rgb' | 'bgr'>> = { rgb8: 'rgb', rgba8: 'rgb', bgr8: 'bgr', bgra8: 'bgr' };

const side = z.coerce.number().int().positive().optional().catch(undefined);
const text = z.string().toLowerCase().optional().catch(undefined);
const schema = z.object({
  'image.bitmappixelformat': text,
  'image.nominalpixelrange': text,
  'customvision.preprocess.targetheight': side,
  'customvision.preprocess.targetwidth': side,
  'customvision.preprocess.cropheight': side,
  'customvision.preprocess.cropwidth': side,
});

/**
 * Reads the image properties that ONNX defines, and those of Custom Vision, which are in `metadata_props` or in
 * `metadata_properties.json` beside the model. Custom Vision stretches images, or crops them after the shorter side was
 * resized to the target size. https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md
 *
 * @param properties keys in any case
 * @returns undefined when there are none
 */
export function imageProperties(properties: Iterable<readonly [string, unknown]>): FoundFacts | undefined {
  const found = schema.parse(Object.fromEntries([...properties].map(([key, value]) => [key.toLowerCase(), value])));
  const range = RANGES[found['image.nominalpixelrange'] ?? ''];
  const order = ORDERS[found['image.bitmappixelformat'] ?? ''];
  const { 'customvision.preprocess.targetheight': height, 'customvision.preprocess.targetwidth': width } = found;
  const { 'customvision.preprocess.cropheight': cropHeight, 'customvision.preprocess.cropwidth': cropWidth } = found;
  const fitted: FoundFacts =
    height === undefined || width === undefined
      ? {}
      : cropHeight === undefined || cropWidth === undefined
        ? { resize_mode: 'stretch', crop_pct: 1, suggestedSize: [height, width] }
        : {
            resize_mode: 'crop',
            crop_pct: Math.min(1, cropHeight / height),
            suggestedSize: [cropHeight, cropWidth],
          };
  const facts: FoundFacts = {
    ...(range !== undefined && { range: { mean: triple(range.mean), std: triple(range.std) } }),
    ...fitted,
    ...(order !== undefined && { suggestedOrder: order }),
  };
  return Object.keys(facts).length === 0 ? undefined : facts;
}

function triple(value: number): [number, number, number] {
  return [value, value, value];
}
