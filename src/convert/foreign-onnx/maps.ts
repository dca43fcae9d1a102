import type { Layout } from './architecture.ts';
import { attributeIntegers, type GraphView, MOVES, POINTWISE, POOLS, valuesRead } from './graph-view.ts';
import type { ImageInput } from './input.ts';
import type { Probe } from './probe.ts';

/** Operators whose outputs are quantized integers. */
const QUANTIZED = /^(QuantizeLinear|DynamicQuantizeLinear|QLinear|QGemm|ConvInteger|MatMulInteger)/;
/** Operators that ONNX defines for maps with the channels before height and width. */
const CHANNELS_FIRST =
  /^(Conv|ConvTranspose|QLinearConv|ConvInteger|BatchNormalization|.*Pool|LRN|InstanceNormalization|DepthToSpace|SpaceToDepth)$/;

/** The last map that `features` depend on, before it is pooled; undefined when the model has none. */
export function findActivations(view: GraphView, probe: Probe, features: string): string | undefined {
  const values = view.upTo([features]).flatMap(({ outputs = [] }) => outputs);
  const maps = values.filter(
    (value) => probe.shapes.get(value)?.length === 4 && view.isFed(value) && !isQuantized(view, value),
  );
  const spatial = maps.filter((value) => (probe.shapes.get(value) ?? []).filter((size) => size > 1).length >= 2);
  let value = spatial.at(-1) ?? maps.at(-1);
  while (value !== undefined) {
    const { operator = '', inputs = [] } = view.producer(value) ?? {};
    const [before = ''] = inputs;
    const passes = [...MOVES, ...POOLS, 'Pad'].includes(operator);
    if (!passes || !view.isFed(before) || probe.shapes.get(before)?.length !== 4 || isQuantized(view, before)) break;
    value = before;
  }
  return value;
}

/** The layout of a map; undefined when the graph does not tell. */
export function layoutOf(view: GraphView, probe: Probe, map: string, input: ImageInput): Layout | undefined {
  if (map === input.name) return input.layout;
  const node = view.producer(map);
  if (node === undefined) return undefined;
  if (CHANNELS_FIRST.test(node.operator ?? '')) return 'nchw';
  const before = valuesRead(node).find(
    (value) => value === input.name || (view.isFed(value) && (probe.shapes.get(value)?.length ?? 0) >= 4),
  );
  const layout = before === undefined ? undefined : layoutOf(view, probe, before, input);
  if (node.operator !== 'Transpose') return layout;
  const perm = attributeIntegers(node, 'perm')?.join();
  if (perm === '0,2,3,1' && layout === 'nchw') return 'nhwc';
  if (perm === '0,3,1,2' && layout === 'nhwc') return 'nchw';
  return undefined;
}

/** Whether the numbers of a value are quantized integers. */
function isQuantized(view: GraphView, value: string): boolean {
  const { operator = '', inputs = [] } = view.producer(value) ?? {};
  if (QUANTIZED.test(operator)) return true;
  const [first = ''] = inputs;
  return (
    [...MOVES, ...POOLS, ...POINTWISE, 'Concat', 'Pad'].includes(operator) &&
    operator !== 'Cast' &&
    isQuantized(view, first)
  );
}
