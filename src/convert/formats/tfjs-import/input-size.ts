import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';
import type { Pair } from '../../graph/windows.ts';
import { isConstant } from './calls.ts';
import { isTrainingOnly } from './layers.ts';
import type { KerasDescription, KerasModel } from './model-json.ts';

const size = z.int().nullable();
const shape = z.tuple([z.null(), size, size, size]);
/** Keras 2 and TF.js write `batch_input_shape`, Keras 3 writes `batch_shape`. */
const shapeSchema = z.union([
  z.object({ batch_input_shape: shape }).transform((config) => config.batch_input_shape),
  z.object({ batch_shape: shape }).transform((config) => config.batch_shape),
]);

/**
 * Height and width of the images: those of the input layer, or of a `Resizing` at the beginning, which the server
 * does itself.
 *
 * @param wanted used when the model takes images of any size
 */
export function sizeOf(model: KerasModel, wanted: Pair | undefined): Pair {
  const [name, ...others] = model.inputs;
  const layer = model.layers.find((candidate) => candidate.name === name);
  const parsed = shapeSchema.safeParse(layer?.config);
  if (layer === undefined || others.length > 0 || !parsed.success) {
    throw new ConversionError(
      `the model needs one input of shape [null, height, width, 3]; layer "${name}" has ` +
        JSON.stringify(layer?.config['batch_input_shape'] ?? layer?.config['batch_shape']),
    );
  }
  const [, rows, columns, channels] = parsed.data;
  if (channels !== 3)
    throw new ConversionError(`layer "${name}" takes images of ${channels} channels; only RGB is supported`);
  const [height, width] = leadingResize(model)?.size ?? [rows ?? wanted?.[0], columns ?? wanted?.[1]];
  if (height === undefined || width === undefined) {
    throw new ConversionError(`layer "${name}" takes images of any size: give one, such as --input-size 224`);
  }
  if (wanted !== undefined && (wanted[0] !== height || wanted[1] !== width)) {
    throw new ConversionError(`layer "${name}" takes images of ${height}x${width}, not of ${wanted.join('x')}`);
  }
  return [height, width];
}

/** Layers that compute each pixel from the same pixel. */
const PIXELWISE: readonly string[] = [
  'InputLayer',
  'Rescaling',
  'Normalization',
  'TFOpLambda',
  'TrueDivide',
  'Subtract',
];

/** How a model fits images of any shape to its size, in the terms of a manifest. */
export interface Fitting {
  readonly resize_mode: 'crop' | 'stretch' | 'pad';
  readonly pad_color?: [number, number, number];
  readonly interpolation: 'nearest' | 'bilinear' | 'bicubic';
}

interface Resize {
  readonly size: Pair;
  readonly fitting: Fitting;
}

const resizeSchema = z.object({
  height: z.int().positive(),
  width: z.int().positive(),
  interpolation: z.enum(['nearest', 'bilinear', 'bicubic']).default('bilinear').catch('bilinear'),
  crop_to_aspect_ratio: z.boolean().nullish(),
  pad_to_aspect_ratio: z.boolean().nullish(),
  fill_value: z.number().nullish(),
});

/**
 * A `Resizing` before which there are only layers that compute pixel by pixel. A `RandomCrop` crops to the aspect ratio
 * and resizes, except during training.
 */
export function leadingResize(model: KerasModel): Resize | undefined {
  let layer = model.layers.find(({ name }) => name === model.inputs[0]);
  const given = shapeSchema.safeParse(layer?.config);
  const [, rows, columns] = given.success ? given.data : [];
  let isScaled = false;
  while (layer !== undefined) {
    const resize = resizeOf(layer, isScaled, rows && columns ? rows / columns : undefined);
    if (resize !== undefined) return resize;
    const inner: Resize | undefined = layer.model && leadingResize(layer.model);
    if (inner !== undefined || !isPixelwise(layer)) return inner;
    isScaled ||= layer.className !== 'InputLayer' && !isTrainingOnly(layer.className);
    layer = onlyReader(model, layer);
  }
  return undefined;
}

/** @param shape height by width of the images that enter; undefined for any */
function resizeOf({ className, config }: KerasDescription, isScaled: boolean, shape: number | undefined) {
  if (className !== 'Resizing' && className !== 'RandomCrop') return undefined;
  const parsed = resizeSchema.safeParse(config);
  if (!parsed.success) return undefined;
  const { height, width, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_value } = parsed.data;
  const crops = crop_to_aspect_ratio === true || className === 'RandomCrop';
  const size: Pair = [height, width];
  if ((!crops && !pad_to_aspect_ratio) || shape === height / width) {
    return { size, fitting: { resize_mode: 'stretch', interpolation } } as const;
  }
  // The images were stretched to a shape before; or the colour is in the units of scaled pixels.
  if (shape !== undefined || (pad_to_aspect_ratio && isScaled)) return undefined;
  if (crops) return { size, fitting: { resize_mode: 'crop', interpolation } } as const;
  const grey = Math.min(255, Math.max(0, Math.round(fill_value ?? 0)));
  const pad_color: [number, number, number] = [grey, grey, grey];
  return { size, fitting: { resize_mode: 'pad', pad_color, interpolation } } as const;
}

function isPixelwise({ className, model }: KerasDescription): boolean {
  return model?.layers.every(isPixelwise) ?? (PIXELWISE.includes(className) || isTrainingOnly(className));
}

function onlyReader({ layers }: KerasModel, { name }: KerasDescription): KerasDescription | undefined {
  const readers = layers.filter(({ calls }) =>
    calls.flat().some((argument) => !isConstant(argument) && argument.layer === name),
  );
  return readers.length === 1 ? readers[0] : undefined;
}
