import type { OnnxMetadata } from '../../convert/foreign-onnx/onnx-metadata.ts';
import type { NoveltyValues } from '../../convert/transfer/novelty.ts';
import type { Label } from '../../registry/manifest.ts';
import { fromProperties, type NoveltyFigures } from '../../registry/model-properties.ts';
import { type FoundFacts, listedFacts } from './found-facts.ts';
import { imageProperties } from './image-properties.ts';
import { labelsWithin } from './label-documents.ts';

/** The classes of a model that the model itself contains, and where. */
export interface EmbeddedLabels {
  readonly labels: readonly Label[];
  readonly source: string;
}

/** The detector of unknown images that a model contains. */
export interface EmbeddedDetector {
  readonly values: NoveltyValues;
  readonly figures: NoveltyFigures;
}

interface EmbeddedFacts {
  readonly facts: FoundFacts;
  readonly labels: EmbeddedLabels | undefined;
  readonly detector: EmbeddedDetector | undefined;
  /** Which metadata says what, as sentences. */
  readonly notes: readonly string[];
}

const DETECTOR_KEPT = 'The model keeps its detector of unknown images (the output novelty).';
const DETECTOR_DROPPED =
  'The detector of unknown images (the output novelty) is not as it was exported, and is not imported. ' +
  'menagerie evaluate --novelty fits a new one.';

/** Reads what an ONNX model says about itself: as this project, Ultralytics and Custom Vision write it. */
export function embeddedFacts({ properties, zipMap, outputs, novelty }: OnnxMetadata): EmbeddedFacts {
  const own = ownFacts(properties);
  const facts = own ?? ultralyticsFacts(properties) ?? imageProperties(properties) ?? {};
  const given = listedFacts(facts);
  return {
    facts,
    labels: labelsOf(properties, zipMap),
    detector: novelty && { values: novelty, figures: fromProperties(properties).novelty ?? {} },
    notes: [
      ...(given === '' ? [] : [`The metadata of the model gives ${given}.`]),
      ...(novelty === undefined ? [] : [DETECTOR_KEPT]),
      ...(novelty === undefined && own !== undefined && outputs.includes('novelty') ? [DETECTOR_DROPPED] : []),
    ],
  };
}

function ownFacts(properties: ReadonlyMap<string, string>): FoundFacts | undefined {
  const { preprocessing, title, license, unknown_threshold } = fromProperties(properties);
  if (preprocessing === undefined) return undefined;
  const { input_size, ...fields } = preprocessing;
  return { ...fields, suggestedSize: [input_size[1], input_size[2]], title, license, unknown_threshold };
}

/**
 * Ultralytics' classifiers take pixels of 0 to 1 of the middle of an image whose shorter side was resized: mean 0 and
 * std 1 of its `classify_transforms`. `imgsz` distinguishes them from YOLOv5, which normalises as torchvision does.
 */
function ultralyticsFacts(properties: ReadonlyMap<string, string>): FoundFacts | undefined {
  const [height, width] = properties.get('imgsz')?.match(/\d+/g)?.map(Number) ?? [];
  if (height === undefined || !properties.has('names')) return undefined;
  return {
    range: { mean: [0, 0, 0], std: [1, 1, 1] },
    resize_mode: 'crop',
    crop_pct: 1,
    interpolation: 'bilinear',
    suggestedSize: [height, width ?? height],
  };
}

/** An entry of the Python dict that Ultralytics writes: `{0: 'ant', 1: "bee's"}`. */
const NAME = /(\d+):\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g;

function labelsOf(properties: ReadonlyMap<string, string>, zipMap: OnnxMetadata['zipMap']): EmbeddedLabels | undefined {
  const source = 'the metadata of the model';
  const { labels } = fromProperties(properties);
  if (labels !== undefined) return { labels, source };
  const entries = [...(properties.get('names') ?? '').matchAll(NAME)].map(([, index, single, double]) => {
    return { index: Number(index), label: (single ?? double ?? '').replace(/\\(.)/g, '$1') };
  });
  if (entries.length > 1 && entries.every(({ index }, position) => index === position)) {
    return { labels: entries.map(({ label }) => ({ label })), source };
  }
  if (zipMap === undefined || zipMap.length < 2) return undefined;
  return { labels: zipMap.map((label) => ({ label })), source: 'the ZipMap of the model' };
}

/** The labels that a trainer saved in a checkpoint: those of so many classes before others. */
export function labelsInCheckpoint(document: unknown, classes: number): EmbeddedLabels | undefined {
  const found = labelsWithin(document);
  const { key, labels } = found.find((each) => each.labels.length === classes) ?? found[0] ?? {};
  return labels && { labels, source: `"${key}" in the checkpoint` };
}
