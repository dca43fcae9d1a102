import type { NodeProto } from '../formats/onnx/proto.ts';
import { ARITHMETIC, type GraphView, valuesRead } from './graph-view.ts';

/** Operators that come before the first layer: they scale, move, select and resize pixels, or compute shapes. */
const BEFORE_LAYERS: ReadonlySet<string> = new Set([
  ...ARITHMETIC,
  'Cast',
  'Dropout',
  'Identity',
  'Reshape',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
  'BatchNormalization',
  'Ceil',
  'Clip',
  'Concat',
  'ConstantOfShape',
  'DequantizeLinear',
  'Expand',
  'Floor',
  'Gather',
  'Max',
  'Min',
  'Neg',
  'Pad',
  'Resize',
  'Shape',
  'Slice',
  'Split',
  'Sum',
  'Upsample',
]);
/** The operations of a graph between its input and its first layers. */
interface FirstOperations {
  readonly nodes: readonly NodeProto[];
  /** The values that the first layers read: maybe the input itself, maybe several, maybe shapes too. */
  readonly ends: readonly string[];
}

/** Walks from the input to what reads its pixels as something else. @param input name of the graph's input */
export function firstOperations(view: GraphView, input: string): FirstOperations {
  const reached = new Set([input]);
  const nodes: NodeProto[] = [];
  const ends = new Set<string>();
  for (const node of view.nodes) {
    const fed = valuesRead(node).filter((value) => view.isFed(value));
    const before = fed.filter((value) => reached.has(value));
    if (before.length === fed.length && fed.length > 0 && BEFORE_LAYERS.has(node.operator ?? '')) {
      nodes.push(node);
      for (const output of node.outputs ?? []) reached.add(output);
    } else for (const value of before) ends.add(value);
  }
  return { nodes, ends: [...ends] };
}
