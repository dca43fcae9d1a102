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
  const [height, width] = leadingResize(model) ?? [rows ?? wanted?.[0], columns ?? wanted?.[1]];
  if (height === undefined || width === undefined) {
    throw new ConversionError(`layer "${name}" takes images of any size: give one, such as --input-size 224`);
  }
  if (wanted !== undefined && (wanted[0] !== height || wanted[1] !== width)) {
    throw new ConversionError(`layer "${name}" takes images of ${height}x${width}, not of ${wanted.join('x')}`);
  }
  return [height, width];
}

const resizeSchema = z.object({ height: z.int().positive(), width: z.int().positive() });
/** Layers that compute each pixel from the same pixel. */
const PIXELWISE: readonly string[] = [
  'InputLayer',
  'Rescaling',
  'Normalization',
  'TFOpLambda',
  'TrueDivide',
  'Subtract',
];

/** The size after a `Resizing` before which there are only layers that compute pixel by pixel. */
function leadingResize(model: KerasModel): Pair | undefined {
  let layer = model.layers.find(({ name }) => name === model.inputs[0]);
  while (layer !== undefined) {
    const resize = layer.className === 'Resizing' ? resizeSchema.safeParse(layer.config) : undefined;
    if (resize?.success) return [resize.data.height, resize.data.width];
    const inner: Pair | undefined = layer.model && leadingResize(layer.model);
    if (inner !== undefined || !isPixelwise(layer)) return inner;
    layer = onlyReader(model, layer);
  }
  return undefined;
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
