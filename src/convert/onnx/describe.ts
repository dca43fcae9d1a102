import { ConversionError } from '../conversion-error.ts';
import type { OnnxFile } from '../formats/onnx-file.ts';
import type { OnnxArchitecture, OnnxHints } from './architecture.ts';
import { GraphView } from './graph-view.ts';
import { findInput, type ImageInput, requireSize } from './input.ts';
import { evaluateParts, noise, type Probe, probeOnnx } from './probe.ts';
import { findActivations, findFeatures, findOutput, isVector, layoutOf, outputCandidates } from './roles.ts';
import { type WrapOptions, wrapOnnx } from './wrap.ts';

/** What must be known beside the file. */
export interface DescribeOptions extends WrapOptions {
  /** Any number of classes when absent. */
  readonly numClasses?: number | undefined;
}

/** Answers of the same image, alone and in a batch, are as close as this, by the largest of them. */
const BATCH_TOLERANCE = 1e-3;
const COMPARED = ['logits', 'features'] as const;

/**
 * Looks at a model made elsewhere: finds input, classes, features and activations as far as the hints do not say, and
 * tries how many images it takes at once.
 *
 * @param folder an existing one, for models that are tried and removed
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
    if (!view.isFed(value)) throw new ConversionError(`the model makes no value "${value}" of its input`);
  }
  const probe = await probeOnnx(file, view, input, candidates, { ...options, ...hints }, folder);
  const architecture = rolesOf(view, probe, hints, input, options.numClasses);
  const maxBatch = hints.max_batch ?? (await findMaxBatch(file, architecture, input.batch, options, folder));
  return maxBatch === undefined ? architecture : { ...architecture, max_batch: maxBatch };
}

function rolesOf(
  view: GraphView,
  probe: Probe,
  hints: OnnxHints,
  input: ImageInput,
  numClasses: number | undefined,
): OnnxArchitecture {
  const { output, output_kind } = findOutput(view, probe, hints, numClasses);
  // A model that ends in no dense layer still serves; a fine-tune of it stands on what it has, its logits.
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

/** The last map; of a model without one, its features as a map of a single position. */
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
 * Undefined when the model answers several images as it does each of them; else 1.
 * @throws ConversionError when it takes exactly several
 */
async function findMaxBatch(
  file: OnnxFile,
  architecture: OnnxArchitecture,
  exported: number | undefined,
  options: DescribeOptions,
  folder: string,
): Promise<number | undefined> {
  const images = [1, 2, 3].map((seed) => noise(1, options.inputSize, seed));
  const data = new Uint8Array(images.flatMap((image) => [...image.data]));
  const together = { data, shape: [images.length, ...options.inputSize, 3] };
  const free = wrapOnnx(file, architecture, options);
  try {
    const [batch, ...alone] = await evaluateParts(free, [together, ...images], COMPARED, folder);
    const same = COMPARED.every((name) => {
      const single = alone.flatMap((answer) => Array.from(answer.get(name)?.numbers ?? []));
      return areClose(Array.from(batch?.get(name)?.numbers ?? []), single);
    });
    if (same) return undefined;
  } catch (thrown) {
    if (!(thrown instanceof ConversionError)) throw thrown;
  }
  if (exported !== undefined && exported !== 1) {
    throw new ConversionError(
      `the model takes exactly ${exported} images at once: export it for one or for any number`,
    );
  }
  const single = wrapOnnx(file, { ...architecture, max_batch: 1 }, options);
  await evaluateParts(single, images.slice(0, 1), COMPARED, folder);
  return 1;
}

function areClose(a: readonly number[], b: readonly number[]): boolean {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  return (
    a.length === b.length &&
    a.every((value, index) => Math.abs(value - (b[index] ?? Number.NaN)) <= BATCH_TOLERANCE * largest)
  );
}

function shapeOf({ shapes }: Probe, value: string): number[] {
  const shape = shapes.get(value);
  if (shape === undefined) throw new ConversionError(`value "${value}" is no tensor that the output stands on`);
  return [...shape];
}

function known<T>(layout: T | undefined, value: string): T {
  if (layout !== undefined) return layout;
  throw new ConversionError(`whether the channels of "${value}" come first or last cannot be told: say its layout`);
}
