import type { OnnxFile } from '../formats/onnx/reader.ts';
import { NOVELTY_ENTRY, NOVELTY_TENSORS, type NoveltyValues } from '../transfer/novelty.ts';
import { GraphView } from './graph-view.ts';
import { floatsOf } from './tensor-values.ts';

/** Far more than any detector has: 1,000 classes of 4,096 features are 16 MB. */
const MOST_VALUES = 2 ** 26;

/**
 * Reads the detector of unknown images in an ONNX model that this project has exported. It reads the same value of the
 * model as before.
 * @returns undefined when the model has no output `novelty`, or not with the layers of our detectors
 */
export async function exportedNovelty(file: OnnxFile): Promise<NoveltyValues | undefined> {
  const view = new GraphView(file);
  if (!view.outputs.some(({ name }) => name === 'novelty')) return undefined;
  const entry = view.upTo(['novelty']).find(({ name }) => name === NOVELTY_ENTRY);
  const [reads] = entry?.inputs ?? [];
  const tensors = NOVELTY_TENSORS.map((name) => file.tensors.find(({ proto }) => proto.name === name));
  const [classes, bias, projection, sum] = tensors;
  if (reads === undefined || !view.isFed(reads) || !classes || !bias || !projection || !sum) return undefined;
  const [rows = 0, dimension = 0] = classes.proto.dims ?? [];
  const [rank = 0] = projection.proto.dims ?? [];
  const shapes = [[rows, dimension], [rows], [rank, dimension], [1, rank + 1]];
  if (rows * dimension === 0 || (rows + rank) * dimension > MOST_VALUES) return undefined;
  if (tensors.some((tensor, index) => tensor?.proto.dims?.join() !== shapes[index]?.join())) return undefined;
  const [factor = 0] = await floatsOf(sum);
  const values = {
    dimension,
    classes: await floatsOf(classes),
    bias: await floatsOf(bias),
    projection: await floatsOf(projection),
    threshold: -1 / factor,
    layers: 1,
    reads,
  };
  const isWhole = [values.classes, values.bias, values.projection].every((numbers, index) => {
    const [length = 0, width = 1] = shapes[index] ?? [];
    return numbers.length === length * width && numbers.every(Number.isFinite);
  });
  return isWhole && values.threshold > 0 && Number.isFinite(values.threshold) ? values : undefined;
}
