import { z } from 'zod';
import { batchNorm, crop, rescale } from '../../graph/ir.ts';
import { affine } from './affine.ts';
import { constantWeight, vectorWeight } from './kernels.ts';
import { channelsLastOption, type LayerReading } from './layer-reading.ts';
import { mapValue, type Value } from './values.ts';

/** The smallest standard deviation that Keras's Normalization divides by is 1e-7. */
const SMALLEST_VARIANCE = 1e-14;

const one = z.number().transform((value) => [value, value, value]);
const perChannel = z.union([one, z.array(z.number()).length(3)]);

export function readRescaling(layer: LayerReading): Value {
  const { scale, offset } = layer.options(z.object({ scale: perChannel, offset: perChannel.default([0, 0, 0]) }));
  return mapValue(affine(layer.name, layer.map(), scale, offset));
}

/** Mean and variance are options, or weights that `adapt` has computed. */
export function readNormalization(layer: LayerReading): Value {
  const statistic = z.preprocess((value) => (Array.isArray(value) ? value.flat(4) : value), perChannel).nullish();
  const axis = z.union([z.int(), z.tuple([z.int()]).transform(([only]) => only)], 'only one axis is supported');
  const options = layer.options(
    z.object({
      axis: axis.default(-1),
      mean: statistic,
      variance: statistic,
      invert: z.literal(false, 'only false is supported').nullish(),
    }),
  );
  if (options.axis !== -1 && options.axis !== 3) {
    return layer.fail(`its axis is ${options.axis}; only the last axis is supported`);
  }
  const x = layer.map();
  const { name } = layer;
  if (options.mean && options.variance) {
    const scale = options.variance.map((value) => 1 / Math.sqrt(Math.max(value, SMALLEST_VARIANCE)));
    const shift = options.mean.map((value, channel) => -value * (scale[channel] ?? 0));
    return mapValue(rescale(name, x, scale, shift));
  }
  const variance = vectorWeight(`${name}.running_var`, layer.weight('variance', 1));
  const bounded = async () => (await variance.read()).map((value) => Math.max(value, SMALLEST_VARIANCE));
  return mapValue(
    batchNorm(name, x, {
      scale: constantWeight(`${name}.weight`, x.shape.channels, 1),
      shift: constantWeight(`${name}.bias`, x.shape.channels, 0),
      mean: vectorWeight(`${name}.running_mean`, layer.weight('mean', 1)),
      variance: { ...variance, read: bounded },
      epsilon: 0,
    }),
  );
}

const size = z.int().positive();

/** Removes what is around the middle. A map that is smaller would have to be resized. */
export function readCenterCrop(layer: LayerReading): Value {
  const { height, width } = layer.options(z.object({ height: size, width: size, data_format: channelsLastOption }));
  const x = layer.map();
  const [rows, columns] = [x.shape.height - height, x.shape.width - width];
  if (rows < 0 || columns < 0) {
    return layer.fail(`its input of ${x.shape.height}x${x.shape.width} is smaller than ${height}x${width}`);
  }
  if (rows === 0 && columns === 0) return mapValue(x);
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return mapValue(crop(layer.name, x, { top, bottom: rows - top, left, right: columns - left }));
}

const sides = z.tuple([z.int().nonnegative(), z.int().nonnegative()]);

export function readCropping(layer: LayerReading): Value {
  const around = z.object({ cropping: z.tuple([sides, sides]), data_format: channelsLastOption });
  const [[top, bottom], [left, right]] = layer.options(around).cropping;
  return mapValue(crop(layer.name, layer.map(), { top, bottom, left, right }));
}

/** The server resizes images itself, so a resize is supported only to the size that its input has. */
export function readResizing(layer: LayerReading): Value {
  const { height, width } = layer.options(z.object({ height: size, width: size, data_format: channelsLastOption }));
  const x = layer.map();
  if (x.shape.height === height && x.shape.width === width) return mapValue(x);
  return layer.fail(
    `a resize from ${x.shape.height}x${x.shape.width} to ${height}x${width} is supported only before all layers ` +
      'that look at more than one pixel, and with a crop or pad to the aspect ratio only for images of any size',
  );
}
