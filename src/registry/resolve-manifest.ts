import type { Preprocessing } from '../image/crop.ts';
import {
  type Label,
  type ManifestDocument,
  type ManifestFile,
  parseManifestDocument,
  type WeightsLock,
} from './manifest.ts';

/** A manifest at run time: its labels looked up, its preprocessing in the terms of `src/image`. */
export interface Manifest {
  readonly name: string;
  /** Without scaling by mean and std, which happens inside the network. */
  readonly preprocessing: Preprocessing;
  readonly labels: readonly Label[];
  /** The manifest on disk, for the converter and the card. */
  readonly file: ManifestFile;
}

/**
 * Makes the run-time manifest out of the one on disk.
 * @param namedLabels looks up the classes of `zoo/labels/<name>.json`
 * @param lock of the weights file, when the manifest has no digest
 * @throws Error that names the field that is wrong
 */
export function resolveManifest(
  document: ManifestDocument,
  namedLabels: (name: string) => readonly Label[],
  lock?: WeightsLock,
): Manifest {
  const sha256 = document.weights.sha256 ?? lock?.sha256;
  if (sha256 === undefined) throw new Error('weights.sha256: missing, also in the lock file; pull the model again');
  const labels = typeof document.labels === 'string' ? namedLabels(document.labels) : document.labels;
  if (labels.length === 1) throw new Error('labels: there is 1, but a classifier needs at least 2');
  if (labels.length !== document.num_classes) {
    throw new Error(`labels: there are ${labels.length}, but num_classes is ${document.num_classes}`);
  }
  const [, height, width] = document.input_size;
  return {
    name: document.name,
    preprocessing: {
      inputSize: [height, width],
      resizeMode: document.resize_mode,
      padColor: document.pad_color,
      cropPct: document.crop_pct,
      interpolation: document.interpolation,
      icc: document.icc,
    },
    labels,
    file: { ...document, weights: { ...document.weights, ...(lock?.sha256 === sha256 && lock), sha256 } },
  };
}

/**
 * Parses a manifest that has the digest of its weights. @throws as `parseManifestDocument` and `resolveManifest` do
 */
export function parseManifest(text: string, namedLabels: (name: string) => readonly Label[]): Manifest {
  return resolveManifest(parseManifestDocument(text), namedLabels);
}
