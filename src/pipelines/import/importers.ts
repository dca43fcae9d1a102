import {
  type ImportedNetwork,
  importCheckpoint,
  openCheckpoint,
  recognizeArchitecture,
} from '../../convert/import-checkpoint.ts';
import { importTfjsModel } from '../../convert/import-tfjs.ts';
import type { Pair } from '../../convert/windows.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import type { ModelKind } from './find-model.ts';
import { defaultsFor, type PreprocessingFields, tfjsDefaults } from './preprocessing-defaults.ts';

/** What is told of a model that is to be imported; what is left open is found out or guessed. */
export interface GivenFacts extends Partial<PreprocessingFields> {
  /** A name or a table. */
  readonly architecture?: unknown;
}

/** A model as its manifest will describe it. */
interface Imported {
  readonly network: ImportedNetwork;
  /** How it wants its pixels as far as one can tell. */
  readonly defaults: Omit<PreprocessingFields, 'input_size'>;
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
        return { network: await importCheckpoint(path, checkpoint, architecture, inputSize, target), defaults };
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
      return { network, defaults: tfjsDefaults(scalesPixels) };
    },
  },
};

function sizeOf({ input_size }: Partial<PreprocessingFields>): Pair | undefined {
  return input_size && [input_size[1], input_size[2]];
}
