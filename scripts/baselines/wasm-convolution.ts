import type { WholeTensorFlow } from './whole-tensorflow.ts';

type Tensor4D = ReturnType<WholeTensorFlow['tensor4d']>;
type Padding = 'same' | 'valid';

/**
 * Registers kernels for the gradients of convolutions on the WebAssembly backend of WholeTensorFlow.js, for strides of 1.
 * The backend has no kernel for the gradient with respect to the filter, so it cannot train a convolution, and its
 * kernel for the gradient with respect to the input is ten times slower than the convolution. Both gradients can be
 * written as convolutions or matrix products, which are fast.
 */
export function registerConvolutionGradients(tf: WholeTensorFlow): void {
  const backendName = 'wasm';
  tf.unregisterKernel('Conv2DBackpropInput', backendName);
  tf.registerKernel({
    kernelName: 'Conv2DBackpropInput',
    backendName,
    kernelFunc: ({ inputs, attrs }) =>
      tf.tidy(() => gradientByInput(tf, tensorOf(tf, inputs['dy']), tensorOf(tf, inputs['filter']), paddingOf(attrs))),
  });
  tf.registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName,
    kernelFunc: ({ inputs, attrs }) =>
      tf.tidy(() =>
        gradientByFilter(tf, tensorOf(tf, inputs['x']), tensorOf(tf, inputs['dy']), sizeOf(attrs), paddingOf(attrs)),
      ),
  });
}

/** The convolution of the output gradient with the filter rotated by 180 degrees. */
function gradientByInput(tf: WholeTensorFlow, dy: Tensor4D, filter: Tensor4D, padding: Padding): Tensor4D {
  const [size] = filter.shape;
  const border = padding === 'same' ? (size - 1) / 2 : size - 1;
  const turned = filter.reverse([0, 1]).transpose<Tensor4D>([0, 1, 3, 2]);
  return tf.conv2d(dy.pad(around(border)), turned, 1, 'valid');
}

/** One matrix product of the output gradient with the inputs, shifted by the offset of each weight of the filter. */
function gradientByFilter(tf: WholeTensorFlow, x: Tensor4D, dy: Tensor4D, size: number, padding: Padding): Tensor4D {
  const [images, height, width, outputs] = dy.shape;
  const inputs = x.shape[3];
  const padded = x.pad<Tensor4D>(around(padding === 'same' ? (size - 1) / 2 : 0));
  const rows = images * height * width;
  const shifted = Array.from({ length: size * size }, (_, offset) =>
    padded
      .slice([0, Math.floor(offset / size), offset % size, 0], [images, height, width, inputs])
      .reshape([rows, inputs]),
  );
  const gradients = tf.matMul(dy.reshape([rows, outputs]).transpose(), tf.concat(shifted, 1));
  return gradients.transpose().reshape([size, size, inputs, outputs]);
}

function around(border: number): [number, number][] {
  return [
    [0, 0],
    [border, border],
    [border, border],
    [0, 0],
  ];
}

function tensorOf(tf: WholeTensorFlow, info: unknown): Tensor4D {
  if (!(info instanceof tf.Tensor)) throw new Error('the input of a kernel is not a tensor');
  return info.as4D(...fourOf(info.shape));
}

function fourOf([a, b, c, d]: readonly number[]): [number, number, number, number] {
  if (a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new Error('a tensor of a convolution must have four dimensions');
  }
  return [a, b, c, d];
}

interface Attributes {
  readonly [name: string]: unknown;
}

function paddingOf(attributes: Attributes | undefined): Padding {
  const { pad, strides } = attributes ?? {};
  if (pad !== 'same' && pad !== 'valid') throw new Error(`padding ${String(pad)} is not supported`);
  if (![strides].flat().every((stride) => stride === 1)) throw new Error('strides other than 1 are not supported');
  return pad;
}

/** Height and width of the filter, which must be square. */
function sizeOf(attributes: Attributes | undefined): number {
  const shape = attributes?.['filterShape'];
  const size: unknown = Array.isArray(shape) ? shape[0] : undefined;
  if (typeof size !== 'number') throw new Error('the shape of the filter is missing');
  return size;
}
