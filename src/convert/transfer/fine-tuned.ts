import { type HeadValues, headInput } from '../architectures/head.ts';
import { ConversionError } from '../conversion-error.ts';
import { type OnnxArchitecture, parseOnnxArchitecture } from '../foreign-onnx/architecture.ts';
import { writeFineTunedOnnx } from '../foreign-onnx/fine-tuned-onnx.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { float32Tensor, storedTensors, writeSafetensors } from '../formats/safetensors/writer.ts';
import { nodesUpTo, weightsOf } from '../graph/graph.ts';
import { type Architecture, buildNetwork, parseArchitecture } from '../network.ts';
import type { LayerValues } from './last-stage.ts';
import { type FineTuneBackbone, isPlain } from './layered-network.ts';
import { replacedTensors } from './trained-convolutions.ts';

/** What else goes into a safetensors file. */
export interface FineTunedExtras {
  readonly metadata?: Readonly<Record<string, string>>;
  /** New values of convolutions of the backbone, with their batch norms folded in, by the names of the layers. */
  readonly trained?: ReadonlyMap<string, LayerValues>;
}

/**
 * Writes the weights of a fine-tuned model to one file: the tensors of the backbone that the head depends on, as they
 * are stored, and the tensors of the head in float32. When the backbone is a fine-tuned model itself, the hidden
 * layers of its head are kept, before the new ones. The file is safetensors, or ONNX when the backbone was imported
 * from ONNX.
 *
 * @returns the architecture of the new model, for its manifest
 * @throws ConversionError when backbone, architecture and head do not fit each other; Error when `path` exists
 */
export async function writeFineTuned(
  backbone: FineTuneBackbone,
  head: HeadValues,
  path: string,
  { metadata = {}, trained = new Map() }: FineTunedExtras = {},
): Promise<Architecture | OnnxArchitecture> {
  const onnx = parseOnnxArchitecture(backbone.architecture);
  if (onnx !== undefined) return await writeFineTunedOnnx({ ...backbone, hints: onnx }, head, path);
  const base = parseArchitecture(backbone.architecture);
  const weights = await SafetensorsFile.open(backbone.weightsPath);
  try {
    const graph = buildNetwork(base, weights, backbone);
    if (head.earlier) expectPlain(base);
    const entering = headInput({ ...graph.outputs, features: () => graph.outputs.features }, head.from, head.earlier);
    expectFits(head, entering.shape.length);
    const nodes = nodesUpTo([entering]);
    const below = nodes.flatMap(weightsOf);
    const replaced = replacedTensors(nodes, trained);
    const kept = head.from === 'features' ? (base.head?.hidden ?? []) : [];
    const layers = head.layers.flatMap(({ inputs, outputs, weight, bias }, index) => [
      float32Tensor(`head.${kept.length + index}.weight`, [outputs, inputs], weight),
      float32Tensor(`head.${kept.length + index}.bias`, [outputs], bias),
    ]);
    const tensors = [
      ...storedTensors(
        weights,
        below.filter(({ name }) => !replaced.has(name)).map(({ name }) => name),
      ),
      ...[...replaced].map(([name, { shape, values }]) => float32Tensor(name, shape, values)),
      ...layers,
    ];
    await writeSafetensors(path, tensors, metadata);
    const from = head.from === 'features' ? (base.head?.from ?? 'features') : 'activations';
    const earlier = head.earlier || (head.from === 'features' ? base.head?.earlier : undefined);
    const hidden = [...kept, ...head.layers.slice(0, -1).map(({ outputs }) => outputs)];
    return { ...base, head: { from, ...(earlier && { earlier }), hidden } };
  } finally {
    await weights.close();
  }
}

function expectPlain(architecture: Architecture): void {
  if (isPlain(architecture)) return;
  throw new ConversionError(
    'a head cannot read earlier maps when the head of the backbone has hidden layers or reads earlier maps itself',
  );
}

function expectFits({ from, layers }: HeadValues, entering: number): void {
  const [first] = layers;
  if (first?.inputs === entering) return;
  throw new ConversionError(
    `the first layer of the head reads ${first?.inputs} values, but the backbone gives ${entering} from its ${from}`,
  );
}
