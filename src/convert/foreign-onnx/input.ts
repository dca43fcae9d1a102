import { ConversionError } from '../conversion-error.ts';
import { DATA_TYPE, type ValueInfoProto } from '../formats/onnx/proto.ts';
import type { Pair } from '../graph/windows.ts';
import type { Layout, OnnxHints } from './architecture.ts';
import { firstOperations } from './first-operations.ts';
import { attributeIntegers, type GraphView } from './graph-view.ts';

/** Element types of image inputs (`TensorProto.DataType`). */
const PIXEL_TYPES: ReadonlySet<number> = new Set([
  DATA_TYPE.float,
  DATA_TYPE.float16,
  DATA_TYPE.double,
  DATA_TYPE.uint8,
]);

/** The input of a model for images. */
export interface ImageInput {
  readonly name: string;
  /** `TensorProto.DataType` */
  readonly elementType: number;
  readonly layout: Layout;
  /** 3 for colours, 1 for brightness. */
  readonly channels: 1 | 3;
  /** Batch size; undefined when it is dynamic. */
  readonly batch: number | undefined;
  /** Undefined when it is dynamic. */
  readonly height: number | undefined;
  readonly width: number | undefined;
}

/** Finds the input for images. @throws ConversionError that says which inputs the model has instead */
export function findInput(view: GraphView, hints: Pick<OnnxHints, 'input' | 'layout'> = {}): ImageInput {
  const info = hints.input === undefined ? onlyInput(view) : view.inputs.find(({ name }) => name === hints.input);
  if (info === undefined) {
    throw new ConversionError(`there is no input "${hints.input}"; the model has ${listed(view.inputs)}`);
  }
  const { name = '', type } = info;
  const { elementType = 0, shape } = type?.tensor ?? {};
  if (!PIXEL_TYPES.has(elementType)) {
    throw new ConversionError(
      `input "${name}" has element type ${elementType}; an image input is float32, float16, float64 or uint8`,
    );
  }
  const dims = shape?.dims?.map(({ value = 0 }) => (value > 0 ? value : undefined)) ?? new Array(4).fill(undefined);
  if (dims.length !== 4) {
    throw new ConversionError(`input "${name}" has ${dims.length} dimensions; an image input has 4`);
  }
  const layout = hints.layout ?? guessLayout(view, name, dims);
  const [batch, a, b, c] = dims;
  const [channels, height, width] = layout === 'nchw' ? [a, b, c] : [c, a, b];
  if (channels !== undefined && channels !== 3 && channels !== 1) {
    throw new ConversionError(`input "${name}" has ${channels} channels in layout ${layout}; an image has 3 or 1`);
  }
  return { name, elementType, layout, channels: channels ?? 3, batch, height, width };
}

/** @throws ConversionError when the model is for images of another size */
export function requireSize({ name, height, width }: ImageInput, inputSize: Pair): void {
  if ((height ?? inputSize[0]) === inputSize[0] && (width ?? inputSize[1]) === inputSize[1]) return;
  throw new ConversionError(
    `input "${name}" takes images of ${height ?? 'any'} x ${width ?? 'any'}, ` +
      `but input_size is ${inputSize.join(' x ')}`,
  );
}

function onlyInput({ inputs }: GraphView): ValueInfoProto {
  const [first, ...others] = inputs;
  if (first === undefined) throw new ConversionError('the model has no input');
  if (others.length > 0)
    throw new ConversionError(`the model has more than one input (${listed(inputs)}): name the one for images`);
  return first;
}

function guessLayout(view: GraphView, input: string, [, second, , fourth]: readonly (number | undefined)[]): Layout {
  for (const channels of [3, 1]) {
    if (second === channels && fourth !== channels) return 'nchw';
    if (fourth === channels && second !== channels) return 'nhwc';
  }
  const { nodes, ends } = firstOperations(view, input);
  const isMoved = nodes.some(
    (node) => node.operator === 'Transpose' && attributeIntegers(node, 'perm')?.join() === '0,3,1,2',
  );
  if (isMoved) return 'nhwc';
  if (view.nodes.some(({ operator, inputs: [data = ''] = [] }) => operator === 'Conv' && ends.includes(data)))
    return 'nchw';
  throw new ConversionError(
    `the graph does not tell whether the channels of input "${input}" are first or last: give its layout`,
  );
}

function listed(infos: readonly ValueInfoProto[]): string {
  return infos.map(({ name }) => `"${name}"`).join(', ');
}
