import type { FirstScaling } from './first-scaling.ts';

/** Of red, green and blue. */
type Triple = [number, number, number];

/** Mean and standard deviation of ImageNet's pixels, in units of 255. */
const IMAGENET: { readonly mean: Triple; readonly std: Triple } = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
/** The mean of red, green and blue that Caffe's networks subtract. */
const CAFFE_MEAN = [123.68, 116.779, 103.939];

/** Mean and standard deviation in units of 255, as in a manifest, and what shows them, as a part of a sentence. */
interface KnownScaling {
  readonly mean: Triple;
  readonly std: Triple;
  readonly reason: string;
  /** Whether the graph does all of it: a graph that only divides may expect that a mean was subtracted before. */
  readonly isWhole: boolean;
}

/** The pixels that a graph expects, as far as its first operations tell. */
export interface PixelEvidence {
  readonly scaling?: KnownScaling;
  /** The order of the colour channels, when they are scaled by known means. */
  readonly channelOrder?: 'rgb' | 'bgr';
}

/** Pixels of 0 to `maximum`, that the graph scales. */
function unscaled(maximum: 255 | 1, reason: string, isWhole = true): KnownScaling {
  const unit = 1 / maximum;
  return { mean: [0, 0, 0], std: [unit, unit, unit], reason, isWhole };
}

/** The pixels of a graph whose input is bytes. */
export const BYTES: KnownScaling = unscaled(255, 'the input of the model is bytes');

/**
 * Concludes from the first operations of a graph which pixels it takes. A network computes with numbers of about -3 to
 * 3, or with pixels of 0 to 255 of which only a mean was subtracted. Nothing is concluded from a graph that does not
 * scale its input.
 */
export function pixelEvidence({ scale, shift, interval }: FirstScaling): PixelEvidence {
  const order = orderOf(scale, shift);
  const channelOrder = order === undefined ? {} : { channelOrder: order };
  const scaling = scalingOf(scale, shift) ?? quantizedScaling(scale, shift, interval);
  return scaling === undefined ? channelOrder : { scaling, ...channelOrder };
}

function scalingOf(scales: readonly number[], shifts: readonly number[]): KnownScaling | undefined {
  if (undoesImagenet(scales, shifts)) {
    return {
      ...IMAGENET,
      isWhole: true,
      reason: "the first operations of the model take pixels that are normalised as ImageNet's",
    };
  }
  // A channel that nothing reads has no scale.
  const scale = average(scales.filter((each) => each !== 0).map(Math.abs));
  const shift = average(shifts);
  const subtracts = shifts.some((each) => Math.abs(each) > 1e-3);
  const bytes = unscaled(255, 'the first operations of the model scale pixels of 0 to 255', subtracts);
  const units = unscaled(1, 'the first operations of the model scale pixels of 0 to 1', subtracts);
  // Only a mean is subtracted, as Caffe's networks do.
  if (Math.abs(scale - 1) < 1e-3) {
    if (shift <= -20) return bytes;
    return shift < -0.1 && shift > -1 ? units : undefined;
  }
  if (scale > 0 && scale < 0.1) return bytes;
  return scale >= 1.5 ? units : undefined;
}

/** A quantized graph holds the numbers that it was calibrated with, and no others. */
function quantizedScaling(
  scales: readonly number[],
  shifts: readonly number[],
  interval: FirstScaling['interval'],
): KnownScaling | undefined {
  if (interval === undefined) return undefined;
  const [low, high] = interval.map((end) => (end - average(shifts)) / average(scales));
  if (low === undefined || high === undefined || !(high > low)) return undefined;
  const range = `the model is quantized for an input of ${low.toFixed(2)} to ${high.toFixed(2)}`;
  if (high - low > 100) return unscaled(255, range);
  if (low > -0.1 && high > 0.5 && high < 1.5) return unscaled(1, range);
  const isSymmetric = Math.abs(low + high) < 0.1 && Math.abs(high - 1) < 0.1;
  return isSymmetric ? { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], reason: range, isWhole: true } : undefined;
}

/** Whether the operations undo ImageNet's normalisation, as torchvision's Inception does before it applies another. */
function undoesImagenet(scales: readonly number[], shifts: readonly number[]): boolean {
  const { mean, std } = IMAGENET;
  const factors = scales.map((scale, channel) => scale / (std[channel] ?? 1));
  const rests = shifts.map((shift, channel) => shift - (factors[channel] ?? 0) * (mean[channel] ?? 0));
  const factor = average(factors);
  return (
    scales.length === 3 &&
    factor > 0 &&
    factors.every((each) => Math.abs(each - factor) < 5e-3 * factor) &&
    rests.every((rest) => Math.abs(rest - average(rests)) < 5e-3 * factor)
  );
}

/** The order in which the colours' known means are subtracted; undefined when they are others, or the same. */
function orderOf(scales: readonly number[], shifts: readonly number[]): 'rgb' | 'bgr' | undefined {
  const means = shifts.map((shift, channel) => -shift / (scales[channel] ?? 1));
  const known = [IMAGENET.mean, IMAGENET.mean.map((value) => 255 * value), CAFFE_MEAN];
  const isKnown = (values: readonly number[]) =>
    values.length === 3 &&
    known.some((mean) =>
      values.every((value, channel) => Math.abs(value - (mean[channel] ?? 0)) < 0.02 * (mean[channel] ?? 0)),
    );
  if (isKnown(means)) return 'rgb';
  return isKnown([...means].reverse()) ? 'bgr' : undefined;
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
