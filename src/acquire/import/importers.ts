import { parseOnnxArchitecture } from '../../convert/foreign-onnx/architecture.ts';
import type { EmbeddedLabels } from '../../convert/foreign-onnx/embedded-labels.ts';
import { importOnnx } from '../../convert/foreign-onnx/import-onnx.ts';
import type { WeightsChoice } from '../../convert/formats/pytorch/state-dict.ts';
import type { Pair } from '../../convert/graph/windows.ts';
import {
  fitArchitecture,
  type ImportedNetwork,
  importCheckpoint,
  type OpenCheckpoint,
  openCheckpoint,
  recognizeArchitecture,
} from '../../convert/import/import-checkpoint.ts';
import { importTfjsModel } from '../../convert/import/import-tfjs.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import { toSafetensors } from '../to-safetensors.ts';
import type { ModelKind } from './find-model.ts';
import { defaultsFor, onnxDefaults, type PreprocessingFields, tfjsDefaults } from './preprocessing-defaults.ts';

/** What the user says about a model to import. The rest is read from the file or guessed. */
export interface GivenFacts extends Partial<PreprocessingFields> {
  /** A name or a table. For an ONNX model: the names of its input and outputs, as far as they are known. */
  readonly architecture?: unknown;
  /** The input size that a file beside the model names: used when the model takes images of any size. */
  readonly suggestedSize?: Pair;
  /** The number of labels. */
  readonly numClasses?: number;
  /** Which weights of a PyTorch checkpoint to take. */
  readonly weights?: WeightsChoice;
}

/** A converted model, for its manifest. */
interface Imported {
  readonly network: ImportedNetwork;
  /** The preprocessing, as far as it can be inferred. */
  readonly defaults: Omit<PreprocessingFields, 'input_size'>;
  /** Other fields that neither the user nor the file determines, those of an ONNX architecture included. */
  readonly guessed: readonly string[];
  /** The names of the classes, when the file contains them. */
  readonly embedded?: EmbeddedLabels | undefined;
  /** What the user should know about how the file was read, as sentences. */
  readonly notes?: readonly string[];
}

/** Reads the model files of one kind. */
interface Importer {
  /** The name of the weights file that is written. */
  readonly file: string;
  readonly format: ManifestDocument['weights']['format'];
  /** Writes the weights to `target`. @throws Error that names what cannot be read */
  run(path: string, given: GivenFacts, seeds: readonly ManifestDocument[], target: string): Promise<Imported>;
}

const SAFETENSORS = { file: 'model.safetensors', format: 'safetensors' } as const;

export const IMPORTERS: Readonly<Record<ModelKind, Importer>> = {
  checkpoint: {
    ...SAFETENSORS,
    run: async (path, given, seeds, target) => {
      const checkpoint = await openCheckpoint(path, given.weights);
      try {
        const known = given.architecture ?? recognizeArchitecture(checkpoint.tensors);
        const defaults = defaultsFor(known, seeds);
        const inputSize = sizeOf(given) ?? given.suggestedSize ?? sizeOf(defaults) ?? [224, 224];
        const fitted = fitArchitecture(known, checkpoint, inputSize);
        const network = await importCheckpoint(path, fitted.checkpoint, fitted.architecture, inputSize, target);
        const guessed = given.suggestedSize === undefined ? ['input_size'] : [];
        return { network, defaults, guessed, notes: [...originNotes(checkpoint), ...fitted.notes] };
      } finally {
        await checkpoint.close();
      }
    },
  },
  tfjs: {
    ...SAFETENSORS,
    run: async (path, given, _seeds, target) => {
      expectOwnLayers(given, 'a TF.js model');
      const { scalesPixels, ...network } = await importTfjsModel(path, sizeOf(given) ?? given.suggestedSize, target);
      return { network, defaults: tfjsDefaults(scalesPixels), guessed: [] };
    },
  },
  keras: {
    ...SAFETENSORS,
    run: async (path, given, _seeds, target) => {
      expectOwnLayers(given, 'a Keras model');
      const inputSize = sizeOf(given) ?? given.suggestedSize;
      // In a thread: the HDF5 library may hang or break on a damaged file.
      const { scalesPixels, ...network } = await toSafetensors({ type: 'keras', from: path, to: target, inputSize });
      return { network, defaults: tfjsDefaults(scalesPixels), guessed: [] };
    },
  },
  onnx: {
    file: 'model.onnx',
    format: 'onnx',
    run: async (path, given, _seeds, target) => {
      expectNoChoice(given);
      const hints = parseOnnxArchitecture(given.architecture ?? { family: 'onnx' });
      if (hints === undefined)
        throw new Error('--arch applies only to files of weights; an ONNX model describes its own layers');
      const { mean, std, numClasses, suggestedSize } = given;
      const inputSize = sizeOf(given);
      const found = await importOnnx(path, { hints, inputSize, suggestedSize, mean, std, numClasses }, target);
      const { pixelMaximum, isSizeOpen, embedded, ...network } = found;
      return {
        network,
        embedded,
        defaults: onnxDefaults(pixelMaximum),
        guessed: [
          ...(isSizeOpen && suggestedSize === undefined ? ['input_size'] : []),
          ...Object.keys(found.architecture).filter((field) => !hasOwn(given.architecture, field)),
        ],
      };
    },
  },
};

/** @param what the kind of the model, for errors */
function expectOwnLayers(given: GivenFacts, what: string): void {
  expectNoChoice(given);
  if (given.architecture !== undefined) {
    throw new Error(`--arch applies only to files of weights; ${what} describes its own layers`);
  }
}

function expectNoChoice({ weights }: GivenFacts): void {
  if (weights !== undefined) throw new Error('--weights applies only to PyTorch checkpoints');
}

/** Says which tensors of a checkpoint were taken, unless the file has no others. */
function originNotes({ origin }: OpenCheckpoint): string[] {
  if (origin === undefined || origin.path === '') return [];
  const taken = `The weights are those of "${origin.path}" in the checkpoint.`;
  if (origin.other === undefined) return [taken];
  return [`${taken} It also has "${origin.other}": choose with --weights ema (averaged) or --weights raw.`];
}

function hasOwn(table: unknown, field: string): boolean {
  return typeof table === 'object' && table !== null && Object.hasOwn(table, field);
}

function sizeOf({ input_size }: Partial<PreprocessingFields>): Pair | undefined {
  return input_size && [input_size[1], input_size[2]];
}
