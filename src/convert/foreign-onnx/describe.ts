import type { PixelTensor } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import type { OnnxFile } from '../formats/onnx/reader.ts';
import type { OnnxArchitecture, OnnxHints } from './architecture.ts';
import { findClassifier } from './classifier.ts';
import { GraphView } from './graph-view.ts';
import { findInput, type ImageInput, requireSize } from './input.ts';
import { findActivations, layoutOf } from './maps.ts';
import { areClose, evaluateParts, noise, numbersOf, type OutputValues, type Probe, probeOnnx } from './probe.ts';
import { findFeatures, findOutput, isVector, outputCandidates } from './roles.ts';
import { type OnnxParts, type WrapOptions, wrapOnnx } from './wrap.ts';

/** What must be known in addition to the file. */
export interface DescribeOptions extends WrapOptions {
  /** Any number when absent. */
  readonly numClasses?: number | undefined;
}

const COMPARED = ['logits', 'features', 'activations'] as const;

/**
 * Analyses a foreign model: finds input, classes, features and activations unless the hints name them, and tries which
 * batch sizes it takes.
 *
 * @param folder an existing folder for temporary models
 * @throws ConversionError that names the input, the output or the operator
 */
export async function describeOnnx(
  file: OnnxFile,
  hints: OnnxHints,
  options: DescribeOptions,
  folder: string,
): Promise<OnnxArchitecture> {
  const view = new GraphView(file);
  const input = findInput(view, hints);
  requireSize(input, options.inputSize);
  const candidates = outputCandidates(view, hints);
  const probed = [...candidates, ...[hints.features, hints.activations].filter((value) => value !== undefined)];
  for (const value of probed) {
    if (!view.isFed(value)) throw new ConversionError(`the model has no value "${value}" that depends on its input`);
  }
  const probe = await probeOnnx(file, view, input, candidates, { ...options, ...hints }, folder);
  const architecture = rolesOf(view, probe, hints, input, options.numClasses);
  const { maxBatch, answers } = await tryBatches(
    file,
    { ...architecture, max_batch: hints.max_batch },
    input.batch,
    options,
    folder,
  );
  const classifier = hints.classifier ?? (await findClassifier(file, view, architecture, answers));
  return {
    ...architecture,
    ...(maxBatch !== undefined && { max_batch: maxBatch }),
    ...(classifier !== undefined && { classifier }),
  };
}

function rolesOf(
  view: GraphView,
  probe: Probe,
  hints: OnnxHints,
  input: ImageInput,
  numClasses: number | undefined,
): OnnxArchitecture {
  const { output, output_kind } = findOutput(view, probe, hints, numClasses);
  // A model without a dense layer still serves; its logits are then its features.
  const features = hints.features ?? findFeatures(view, probe, output) ?? output;
  const featuresLayout = isVector(shapeOf(probe, features))
    ? undefined
    : (hints.features_layout ?? known(layoutOf(view, probe, features, input), features));
  return {
    family: 'onnx',
    input: input.name,
    layout: input.layout,
    channel_order: hints.channel_order,
    output,
    output_kind,
    features,
    ...(featuresLayout !== undefined && { features_layout: featuresLayout }),
    ...activationsOf(view, probe, hints, input, features, shapeOf(probe, output)),
  };
}

/** The last map. For a model without one, its features are a map of one cell. */
function activationsOf(
  view: GraphView,
  probe: Probe,
  hints: OnnxHints,
  input: ImageInput,
  features: string,
  output: number[],
): Pick<OnnxArchitecture, 'activations' | 'activations_layout' | 'shapes'> {
  const shapes = (activations: string) => {
    return { output, features: shapeOf(probe, features), activations: shapeOf(probe, activations) };
  };
  const activations = hints.activations ?? findActivations(view, probe, features);
  if (activations === undefined) return { activations: features, shapes: shapes(features) };
  const layout = hints.activations_layout ?? layoutOf(view, probe, activations, input);
  if (layout !== undefined) return { activations, activations_layout: layout, shapes: shapes(activations) };
  if (hints.activations === undefined) return { activations: features, shapes: shapes(features) };
  return { activations, activations_layout: known(layout, activations), shapes: shapes(activations) };
}

/**
 * Tries which batch sizes the model takes: any, if it gives the same outputs for several images together as for each
 * alone, else one.
 *
 * @throws ConversionError when it takes only batches of a fixed size above one
 */
async function tryBatches(
  file: OnnxFile,
  architecture: OnnxArchitecture,
  exported: number | undefined,
  options: DescribeOptions,
  folder: string,
): Promise<{ maxBatch: number | undefined; answers: readonly OutputValues[] }> {
  const images = [1, 2, 3].map((seed) => noise(1, options.inputSize, seed));
  const run = (parts: OnnxParts, batches: readonly PixelTensor[]) => evaluateParts(parts, batches, COMPARED, folder);
  if (architecture.max_batch === undefined) {
    const together = {
      data: Buffer.concat(images.map(({ data }) => data)),
      shape: [images.length, ...options.inputSize, 3],
    };
    try {
      const [batch, ...answers] = await run(wrapOnnx(file, architecture, options), [together, ...images]);
      if (
        COMPARED.every((name) =>
          areClose(
            numbersOf(batch, name),
            answers.flatMap((each) => numbersOf(each, name)),
          ),
        )
      ) {
        return { maxBatch: undefined, answers };
      }
    } catch (thrown) {
      if (!(thrown instanceof ConversionError)) throw thrown;
    }
  }
  if (exported !== undefined && exported !== 1) {
    throw new ConversionError(
      `the model takes batches of exactly ${exported} images: export it for one image or for any number`,
    );
  }
  const maxBatch = architecture.max_batch ?? 1;
  const answers = await run(wrapOnnx(file, { ...architecture, max_batch: maxBatch }, options), images);
  return { maxBatch, answers };
}

function shapeOf({ shapes }: Probe, value: string): number[] {
  const shape = shapes.get(value);
  if (shape === undefined) throw new ConversionError(`value "${value}" is not a tensor that the output depends on`);
  return [...shape];
}

function known<T>(layout: T | undefined, value: string): T {
  if (layout !== undefined) return layout;
  throw new ConversionError(
    `the graph does not tell whether the channels of "${value}" are first or last: give its layout`,
  );
}
