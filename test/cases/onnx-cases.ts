import {
  type ForeignModel,
  floats,
  integers,
  node,
  smallClassifier,
  value,
} from '../convert/foreign-onnx/foreign-model.ts';

/** Red, green and blue of a pixel, 0..255, as the three numbers that a graph takes. */
type Feed = (red: number, green: number, blue: number) => readonly [number, number, number];

/** An ONNX model whose first operations say which pixels it takes. */
export interface OnnxCase {
  readonly model: ForeignModel;
  /** The pixels that it is made for. */
  readonly feed: Feed;
  /** Whether the input is `[n, height, width, 3]`. */
  readonly channelsLast?: true;
  /** Whether nothing but an option tells the input size. */
  readonly anySize?: true;
  readonly bytes?: true;
  /** Files beside it, by name. */
  readonly beside?: Readonly<Record<string, object>>;
}

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const raw: Feed = (r, g, b) => [r, g, b];
const unit: Feed = (r, g, b) => [r / 255, g / 255, b / 255];
const bgr: Feed = (r, g, b) => [b, g, r];
const imagenet: Feed = (...rgb) => triple((at) => ((rgb[at] ?? 0) / 255 - (MEAN[at] ?? 0)) / (STD[at] ?? 1));

function triple(of: (at: number) => number): [number, number, number] {
  return [of(0), of(1), of(2)];
}

/** The small classifier behind other operations, which give the value `x`. */
function behind(
  first: ForeignModel['nodes'],
  tensors: NonNullable<ForeignModel['tensors']>,
  more: Partial<ForeignModel> = {},
): ForeignModel {
  const model = smallClassifier();
  const [convolution, ...others] = model.nodes;
  const moved = { ...convolution, inputs: ['x', ...(convolution?.inputs ?? []).slice(1)] };
  return { ...model, ...more, nodes: [...first, moved, ...others], tensors: [...(model.tensors ?? []), ...tensors] };
}

const channels = (name: string, values: readonly number[]) => floats(name, [1, 3, 1, 1], values);
const number = (name: string, one: number) => floats(name, [], [one]);
const normalised = (from: string) => [node('Sub', [from, 'mean'], 'centred'), node('Div', ['centred', 'std'], 'x')];
const imagenetConstants = [channels('mean', MEAN), channels('std', STD)];
/** The parameters of a quantization to bytes. */
const quantization = (scale: number, zero: number) => [
  number('q.scale', scale),
  { name: 'q.zero', dims: [], dataType: 2, int32Data: [zero] },
];
const quantized = [
  node('QuantizeLinear', ['image', 'q.scale', 'q.zero'], 'q'),
  node('DequantizeLinear', ['q', 'q.scale', 'q.zero'], 'x'),
];
/** What torchvision's Inception does to pixels that are normalised for other networks. */
const transformInput = [0, 1, 2].flatMap((at) => [
  node('Gather', ['image', `at${at}`], `plane${at}`, { axis: 1 }),
  node('Unsqueeze', [`plane${at}`, 'axis'], `wide${at}`),
  node('Mul', [`wide${at}`, `factor${at}`], `scaled${at}`),
  node('Add', [`scaled${at}`, `shift${at}`], `part${at}`),
]);
const hubFile = { 'preprocessor_config.json': { image_mean: MEAN, image_std: STD, size: { height: 8, width: 8 } } };

export const ONNX_CASES: Readonly<Record<string, OnnxCase>> = {
  'a division by 255': { model: behind([node('Div', ['image', 'a'], 'x')], [number('a', 255)]), feed: raw },
  'the whole normalisation of ImageNet': {
    model: behind([node('Mul', ['image', 'a'], 'y'), ...normalised('y')], [number('a', 1 / 255), ...imagenetConstants]),
    feed: raw,
  },
  'the normalisation of pixels of 0 to 1': { model: behind(normalised('image'), imagenetConstants), feed: unit },
  'its own normalisation, and a file beside it with the same': {
    model: behind(normalised('image'), imagenetConstants),
    feed: unit,
    beside: hubFile,
  },
  'the whole normalisation, and a file beside it with the same': {
    model: behind([node('Div', ['image', 'a'], 'y'), ...normalised('y')], [number('a', 255), ...imagenetConstants]),
    feed: raw,
    beside: hubFile,
  },
  'a division by 255, and a file beside it with mean and std, which is followed': {
    model: behind([node('Div', ['image', 'a'], 'x')], [number('a', 255)]),
    feed: imagenet,
    beside: hubFile,
  },
  "a division by 255, and Custom Vision's metadata that says 0 to 1": {
    model: {
      ...behind([node('Div', ['image', 'a'], 'x')], [number('a', 255)]),
      metadata: { 'Image.BitmapPixelFormat': 'Rgb8', 'Image.NominalPixelRange': 'Normalized_0_1' },
    },
    feed: raw,
  },
  "Custom Vision's metadata": {
    model: {
      ...smallClassifier(),
      metadata: { 'Image.BitmapPixelFormat': 'Bgr8', 'Image.NominalPixelRange': 'NominalRange_0_255' },
    },
    feed: bgr,
  },
  "Ultralytics' metadata": {
    model: { ...smallClassifier(), metadata: { names: "{0: 'a', 1: 'b', 2: 'c'}", imgsz: '[8, 8]', task: 'classify' } },
    feed: unit,
  },
  "Ultralytics' metadata with an input of any size": {
    model: {
      ...smallClassifier(),
      inputs: [value('image', [0, 3, 0, 0])],
      metadata: { names: "{0: 'a', 1: 'b', 2: 'c'}", imgsz: '[8, 8]', task: 'classify' },
    },
    feed: unit,
  },
  'two readers of the scaled input': {
    model: {
      ...behind([node('Div', ['image', 'a'], 'x')], [number('a', 127.5)]),
      nodes: [
        node('Div', ['image', 'a'], 'y'),
        node('Sub', ['y', 'one'], 'x'),
        node('Conv', ['x', 'conv.weight', 'conv.bias'], 'left', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
        node('MaxPool', ['x'], 'pooled', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
        node('Conv', ['pooled', 'conv.weight'], 'right', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
        node('Add', ['left', 'right'], 'conv'),
        ...smallClassifier().nodes.slice(1),
      ],
      tensors: [...(smallClassifier().tensors ?? []), number('a', 127.5), number('one', 1)],
    },
    feed: raw,
  },
  "Caffe's mean after a flip to BGR by Gather": {
    model: behind(
      [node('Gather', ['image', 'order'], 'y', { axis: 1 }), node('Sub', ['y', 'mean'], 'x')],
      [integers('order', [2, 1, 0]), channels('mean', [103.939, 116.779, 123.68])],
    ),
    feed: raw,
  },
  "Caffe's mean after a flip to BGR by Slice": {
    model: behind(
      [node('Slice', ['image', 'from', 'to', 'axis', 'step'], 'y'), node('Sub', ['y', 'mean'], 'x')],
      [
        integers('from', [-1]),
        integers('to', [-4]),
        integers('axis', [1]),
        integers('step', [-1]),
        channels('mean', [103.939, 116.779, 123.68]),
      ],
    ),
    feed: raw,
  },
  "Caffe's mean of an input that is BGR": {
    model: behind([node('Sub', ['image', 'mean'], 'x')], [channels('mean', [103.939, 116.779, 123.68])]),
    feed: bgr,
  },
  'the normalisation of an input that is BGR': {
    model: behind(
      [node('Div', ['image', 'a'], 'y'), ...normalised('y')],
      [number('a', 255), channels('mean', [...MEAN].reverse()), channels('std', [...STD].reverse())],
    ),
    feed: bgr,
  },
  "torchvision's transform_input": {
    model: behind(
      [...transformInput, node('Concat', ['part0', 'part1', 'part2'], 'x', { axis: 1 })],
      [
        integers('axis', [1]),
        ...[0, 1, 2].flatMap((at) => [
          { name: `at${at}`, dims: [], dataType: 7, int64Data: [at] },
          number(`factor${at}`, (STD[at] ?? 0) / 0.5),
          number(`shift${at}`, ((MEAN[at] ?? 0) - 0.5) / 0.5),
        ]),
      ],
    ),
    feed: imagenet,
  },
  'a quantization of 0 to 255': { model: behind(quantized, quantization(1, 0)), feed: raw },
  'a quantization of 0 to 1': { model: behind(quantized, quantization(1 / 255, 0)), feed: unit },
  'a quantization of -1 to 1': {
    // Not 2 / 255, with which every byte would lie between two steps.
    model: behind(quantized, quantization(1 / 127, 127)),
    feed: (...rgb) => triple((at) => (rgb[at] ?? 0) / 127.5 - 1),
  },
  'bytes that are dequantized': {
    model: behind([node('DequantizeLinear', ['image', 'q.scale', 'q.zero'], 'x')], quantization(1 / 58, 118), {
      inputs: [value('image', [1, 3, 8, 8], 2)],
    }),
    feed: raw,
    bytes: true,
  },
  'bytes, and a file beside it with mean and std': {
    model: behind([node('Cast', ['image'], 'y', { to: 1 }), node('Div', ['y', 'a'], 'x')], [number('a', 255)], {
      inputs: [value('image', [1, 3, 8, 8], 2)],
    }),
    feed: raw,
    bytes: true,
    beside: hubFile,
  },
  'a scale, then channels first, of an input of any size': {
    model: behind(
      [node('Mul', ['image', 'a'], 'y'), node('Transpose', ['y'], 'x', { perm: [0, 3, 1, 2] })],
      [number('a', 1 / 255)],
      { inputs: [value('image', [0, 0, 0, 0])] },
    ),
    feed: raw,
    channelsLast: true,
    anySize: true,
  },
  'a scale, then a resize of images of any size': {
    model: behind(
      [node('Mul', ['image', 'a'], 'y'), node('Resize', ['y', '', '', 'sizes'], 'x')],
      [number('a', 1 / 255), integers('sizes', [1, 3, 8, 8])],
      { inputs: [value('image', [0, 3, 0, 0])] },
    ),
    feed: raw,
  },
  'a batch norm of pixels of 0 to 255': {
    model: behind(
      [node('BatchNormalization', ['image', 'gamma', 'beta', 'mean', 'variance'], 'x')],
      [
        floats('gamma', [3], [1, 0.9, 1.1]),
        floats('beta', [3], [0, 0.1, -0.1]),
        floats('mean', [3], [120, 115, 100]),
        floats('variance', [3], [3300, 3200, 3400]),
      ],
    ),
    feed: raw,
  },
  'mean and deviation of 0 to 255, as a factor and a sum': {
    model: behind(
      [node('Mul', ['image', 'factor'], 'y'), node('Add', ['shift', 'y'], 'x')],
      [
        channels(
          'factor',
          STD.map((std) => 1 / (255 * std)),
        ),
        channels(
          'shift',
          MEAN.map((mean, at) => -mean / (STD[at] ?? 1)),
        ),
      ],
    ),
    feed: raw,
  },
};
