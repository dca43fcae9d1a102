import { ConversionError } from '../conversion-error.ts';
import { TO_CHANNELS_FIRST } from '../formats/onnx/nodes.ts';
import { DATA_TYPE } from '../formats/onnx/proto.ts';
import type { OnnxHints } from './architecture.ts';
import { type Addition, Chain } from './chain.ts';
import type { ImageInput } from './input.ts';

/** Weights of red, green and blue in brightness: ITU-R BT.601, as in Pillow and OpenCV. */
const BRIGHTNESS = [0.299, 0.587, 0.114];

/** Mean and standard deviation of red, green and blue, in units of 255; for brightness, the first of each is used. */
export interface Scaling {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * Nodes that convert our input `pixels`, RGB bytes `[n, height, width, 3]`, to the layout, channel order, element
 * type and scale of the model. Bytes are transposed before the cast, since floats are four times as large.
 *
 * @param output name of the model's input
 * @throws ConversionError when a scale is given for a model whose input is bytes
 */
export function fromPixels(
  { name, elementType, layout, channels }: ImageInput,
  channelOrder: OnnxHints['channel_order'],
  scaling: Scaling,
  prefix: string,
  output: string,
): Addition {
  const { scale, shift } = affine(scaling, channels === 1 ? 'rgb' : channelOrder);
  const isPlain = scale.every((value) => Math.abs(value - 1) < 1e-6) && shift.every((value) => value === 0);
  const isBytes = elementType === DATA_TYPE.uint8;
  if (isBytes && !isPlain) {
    throw new ConversionError(
      `input "${name}" takes bytes and scales them itself: mean must be 0, 0, 0 and std must be 1/255 each`,
    );
  }
  if (isBytes && channels === 1)
    throw new ConversionError(`input "${name}" takes brightness as bytes; only floats are supported`);
  const chain = new Chain(`${prefix}pixels:`, 'pixels');
  if (layout === 'nchw') chain.add('Transpose', { perm: TO_CHANNELS_FIRST });
  if (channelOrder === 'bgr' && channels === 3) {
    const order = { shape: [3], values: BigInt64Array.of(2n, 1n, 0n) };
    chain.addWith('Gather', [order], { axis: layout === 'nchw' ? 1 : 3 });
  }
  if (!isBytes) chain.add('Cast', { to: DATA_TYPE.float });
  if (channels === 1) {
    const values = Float32Array.from(BRIGHTNESS);
    if (layout === 'nchw') chain.addWith('Conv', [{ shape: [1, 3, 1, 1], values }]);
    else chain.addWith('MatMul', [{ shape: [3, 1], values }]);
  }
  if (!isPlain) {
    const shape = layout === 'nchw' ? [channels, 1, 1] : [channels];
    chain.addWith('Mul', [{ shape, values: Float32Array.from(scale.slice(0, channels)) }]);
    chain.addWith('Add', [{ shape, values: Float32Array.from(shift.slice(0, channels)) }]);
  }
  if (!isBytes && elementType !== DATA_TYPE.float) chain.add('Cast', { to: elementType });
  return chain.endAs(output);
}

/** `(x / 255 - mean) / std` as `x * scale + shift`. */
function affine({ mean, std }: Scaling, channelOrder: OnnxHints['channel_order']) {
  if (mean.length !== 3 || std.length !== 3 || std.some((value) => !(value > 0))) {
    throw new ConversionError(`3 means and 3 positive deviations are needed, not [${mean}] and [${std}]`);
  }
  const scale = std.map((value) => 1 / (255 * value));
  const shift = std.map((value, channel) => -(mean[channel] ?? 0) / value || 0);
  return channelOrder === 'bgr' ? { scale: scale.reverse(), shift: shift.reverse() } : { scale, shift };
}
