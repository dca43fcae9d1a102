import { TO_CHANNELS_FIRST, TO_CHANNELS_LAST } from '../formats/onnx/nodes.ts';
import { DATA_TYPE } from '../formats/onnx/proto.ts';
import { activationShape, featureSize, type Layout, type OnnxArchitecture, scoreCount } from './architecture.ts';
import { type Addition, Chain, joined } from './chain.ts';

/** Added to probabilities before the logarithm, which would be infinite for zero. */
const LEAST_PROBABILITY = 1e-30;

/**
 * Values of a model that are equal to one of our outputs and only have to be renamed.
 *
 * @param isFloat32 whether the values of the model are float32
 */
export function directOutputs(architecture: OnnxArchitecture, isFloat32: boolean): ReadonlyMap<string, string> {
  const { output, output_kind, features, features_layout, activations, activations_layout, shapes } = architecture;
  const direct = new Map<string, string>();
  const name = (value: string, ours: string) => direct.has(value) || direct.set(value, ours);
  if (!isFloat32) return direct;
  if (shapes.output.length === 2 && scoreCount(architecture) > 1) name(output, output_kind);
  if (shapes.features.length === 2 && features_layout === undefined) name(features, 'features');
  if (activations_layout === 'nhwc') name(activations, 'activations');
  return direct;
}

/** Nodes that compute our four outputs from the values of a model. @param rename gives the new name of a value */
export function toOutputs(architecture: OnnxArchitecture, prefix: string, rename: (value: string) => string): Addition {
  const { output, output_kind: kind } = architecture;
  const answer =
    kind === 'logits'
      ? new Chain(`${prefix}softmax:`, 'logits').add('Softmax', { axis: 1 }).endAs('probabilities')
      : new Chain(`${prefix}log:`, 'probabilities')
          .addWith('Add', [{ shape: [1], values: Float32Array.of(LEAST_PROBABILITY) }])
          .add('Log')
          .endAs('logits');
  const given = unlessDirect(rename(output), kind, (chain) => {
    const scores = scoreCount(architecture);
    toVector(chain, architecture.shapes.output, scores);
    if (scores === 1) toTwoClasses(chain, kind);
  });
  return joined(given, answer, features(), activations());

  function features(): Addition {
    const { features, features_layout: layout, shapes } = architecture;
    return unlessDirect(rename(features), 'features', (chain) => {
      if (layout === undefined) toVector(chain, shapes.features, featureSize(architecture));
      else toMeans(chain, layout);
    });
  }

  function activations(): Addition {
    const { activations, activations_layout: layout } = architecture;
    return unlessDirect(rename(activations), 'activations', (chain) => {
      if (layout === 'nchw') chain.add('Transpose', { perm: TO_CHANNELS_LAST });
      if (layout === undefined) toShape(chain, activationShape(architecture));
    });
  }

  function unlessDirect(value: string, ours: string, build: (chain: Chain) => void): Addition {
    if (value === ours) return { nodes: [], constants: [] };
    const chain = new Chain(`${prefix}${ours}:`, value);
    // Costs nothing when the value is float32 already: the runtime removes it.
    chain.add('Cast', { to: DATA_TYPE.float });
    build(chain);
    return chain.endAs(ours);
  }
}

/** Adds nodes that compute the mean of each channel of a map. */
export function toMeans(chain: Chain, layout: Layout): void {
  if (layout === 'nhwc') chain.add('Transpose', { perm: TO_CHANNELS_FIRST });
  chain.add('GlobalAveragePool').add('Flatten', { axis: 1 });
}

/** Adds nodes that make two scores of the one of a sigmoid: logits 0 and x, or probabilities 1 - p and p. */
function toTwoClasses(chain: Chain, kind: OnnxArchitecture['output_kind']): void {
  chain.addWith('Mul', [{ shape: [2], values: Float32Array.of(kind === 'logits' ? 0 : -1, 1) }]);
  if (kind === 'probabilities') chain.addWith('Add', [{ shape: [2], values: Float32Array.of(1, 0) }]);
}

/** Adds nodes that reshape a vector to `[n, length]`. */
export function toVector(chain: Chain, shape: readonly number[], length: number): void {
  if (shape.length === 1) toShape(chain, [length]);
  else if (shape.length > 2) chain.add('Flatten', { axis: 1 });
}

function toShape(chain: Chain, sizes: readonly number[]): void {
  chain.addWith('Reshape', [{ shape: [sizes.length + 1], values: BigInt64Array.from([-1, ...sizes], BigInt) }]);
}
