import { parseOnnxArchitecture } from '../../convert/foreign-onnx/architecture.ts';
import { importOnnx } from '../../convert/foreign-onnx/import-onnx.ts';
import type { Pair } from '../../convert/graph/windows.ts';
import {
  type ImportedNetwork,
  importCheckpoint,
  openCheckpoint,
  recognizeArchitecture,
} from '../../convert/import/import-checkpoint.ts';
import { importTfjsModel } from '../../convert/import/import-tfjs.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import type { ModelKind } from './find-model.ts';
import { defaultsFor, onnxDefaults, type PreprocessingFields, tfjsDefaults } from './preprocessing-defaults.ts';

/** What is told of a model that is to be imported; what is left open is found out or guessed. */
export interface GivenFacts extends Partial<PreprocessingFields> {
  /** A name or a table; of an ONNX model which of its values are what, as far as they are to be told. */
  readonly architecture?: unknown;
  /** As many as there are labels. */
  readonly numClasses?: number;
}

/** A model as its manifest will describe it. */
interface Imported {
  readonly network: ImportedNetwork;
  /** How it wants its pixels as far as one can tell. */
  readonly defaults: Omit<PreprocessingFields, 'input_size'>;
  /** Fields beside the defaults that neither the file nor a person says; of an ONNX model's architecture too. */
  readonly guessed: readonly string[];
}

/** Reads a model and writes its weights file; throws, naming what it cannot read, when it is none. */
interface Importer {
  /** What the weights file is called, and what it is. */
  readonly file: string;
  readonly format: ManifestDocument['weights']['format'];
  run(path: string, given: GivenFacts, seeds: readonly ManifestDocument[], target: string): Promise<Imported>;
}

const SAFETENSORS = { file: 'model.safetensors', format: 'safetensors' } as const;

export const IMPORTERS: Readonly<Record<ModelKind, Importer>> = {
  checkpoint: {
    ...SAFETENSORS,
    run: async (path, given, seeds, target) => {
      const checkpoint = await openCheckpoint(path);
      try {
        const architecture = given.architecture ?? recognizeArchitecture(checkpoint.tensors);
        const defaults = defaultsFor(architecture, seeds);
        const inputSize = sizeOf(given) ?? sizeOf(defaults) ?? [224, 224];
        const network = await importCheckpoint(path, checkpoint, architecture, inputSize, target);
        return { network, defaults, guessed: ['input_size'] };
      } finally {
        await checkpoint.close();
      }
    },
  },
  tfjs: {
    ...SAFETENSORS,
    run: async (path, given, _seeds, target) => {
      if (given.architecture !== undefined) {
        throw new Error('--arch is for weights alone; a TF.js model says itself which layers it has');
      }
      const { scalesPixels, ...network } = await importTfjsModel(path, sizeOf(given), target);
      return { network, defaults: tfjsDefaults(scalesPixels), guessed: [] };
    },
  },
  onnx: {
    file: 'model.onnx',
    format: 'onnx',
    run: async (path, given, _seeds, target) => {
      const hints = parseOnnxArchitecture(given.architecture ?? { family: 'onnx' });
      if (hints === undefined) throw new Error('--arch is for weights alone; an ONNX model is its own architecture');
      const { mean, std, numClasses } = given;
      const inputSize = sizeOf(given);
      const found = await importOnnx(path, { hints, inputSize, mean, std, numClasses }, target);
      const { takesBytes, isSizeOpen, ...network } = found;
      return {
        network,
        defaults: onnxDefaults(takesBytes),
        guessed: [
          ...(isSizeOpen ? ['input_size'] : []),
          ...Object.keys(found.architecture).filter((field) => !hasOwn(given.architecture, field)),
        ],
      };
    },
  },
};

function hasOwn(table: unknown, field: string): boolean {
  return typeof table === 'object' && table !== null && Object.hasOwn(table, field);
}

function sizeOf({ input_size }: Partial<PreprocessingFields>): Pair | undefined {
  return input_size && [input_size[1], input_size[2]];
}
