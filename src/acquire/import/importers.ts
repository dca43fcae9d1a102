import { parseOnnxArchitecture, scoreCount } from '../../convert/foreign-onnx/architecture.ts';
import { importOnnx } from '../../convert/foreign-onnx/import-onnx.ts';
import { readOnnxMetadata } from '../../convert/foreign-onnx/onnx-metadata.ts';
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
import { type ImportedLayers, importTfjsModel } from '../../convert/import/import-tfjs.ts';
import { TWO_CLASSES } from '../../convert/import/replaced-head.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import { toSafetensors } from '../to-safetensors.ts';
import { type EmbeddedDetector, type EmbeddedLabels, embeddedFacts, labelsInCheckpoint } from './embedded-facts.ts';
import type { FoundFacts } from './found-facts.ts';
import type { ModelKind } from './model-kinds.ts';
import { defaultsFor, type PreprocessingFields, tfjsDefaults, usualDefaults } from './preprocessing-defaults.ts';
import type { ShownScaling } from './settle-preprocessing.ts';

/** What the user says about a model to import. The rest is read from the file or guessed. */
export interface GivenFacts extends Partial<PreprocessingFields> {
  /** A name or a table. For an ONNX model: the names of its input and outputs, as far as they are known. */
  readonly architecture?: unknown;
  /** The number of labels. */
  readonly numClasses?: number;
  /** Which weights of a PyTorch checkpoint to take. */
  readonly weights?: WeightsChoice;
}

/** A converted model, for its manifest. */
interface Imported {
  readonly network: ImportedNetwork;
  /** The preprocessing, as far as it can be guessed. */
  readonly defaults: Omit<PreprocessingFields, 'input_size'>;
  /** What the metadata in the file says. */
  readonly inside?: FoundFacts;
  /** What the network itself shows. */
  readonly shown?: ShownScaling | undefined;
  /** Other fields that neither the user nor the file determines, those of an ONNX architecture included. */
  readonly guessed: readonly string[];
  /** The names of the classes, when the file contains them. */
  readonly embedded?: EmbeddedLabels | undefined;
  /** Of a model that was exported here. */
  readonly detector?: EmbeddedDetector | undefined;
  /** What the user should know about how the file was read, as sentences. */
  readonly notes?: readonly string[];
  /** Of what the model was made, beside its file. */
  readonly provenance?: Readonly<Record<string, string>>;
}

/** Reads the model files of one kind. */
interface Importer {
  /** The name of the weights file that is written. */
  readonly file: string;
  readonly format: ManifestDocument['weights']['format'];
  /** Writes the weights to `target`. @param beside what files beside the model say @throws Error that names what cannot be read */
  run(
    path: string,
    given: GivenFacts,
    beside: FoundFacts,
    seeds: readonly ManifestDocument[],
    target: string,
  ): Promise<Imported>;
}

const SAFETENSORS = { file: 'model.safetensors', format: 'safetensors' } as const;

export const IMPORTERS: Readonly<Record<ModelKind, Importer>> = {
  checkpoint: {
    ...SAFETENSORS,
    run: async (path, given, beside, seeds, target) => {
      const checkpoint = await openCheckpoint(path, given.weights);
      try {
        const known = given.architecture ?? beside.architecture ?? recognizeArchitecture(checkpoint.tensors);
        const defaults = defaultsFor(known, seeds);
        const suggested = sizeOf(given) ?? sizeOf(beside) ?? beside.suggestedSize;
        const inputSize = suggested ?? sizeOf(defaults) ?? [224, 224];
        const fitted = fitArchitecture(known, checkpoint, inputSize);
        const network = await importCheckpoint(path, fitted.checkpoint, fitted.architecture, inputSize, target);
        const guessed = suggested === undefined ? ['input_size'] : [];
        const embedded = labelsInCheckpoint(checkpoint.document, network.numClasses);
        const { taken } = checkpoint.origin ?? {};
        return {
          network,
          defaults,
          guessed,
          embedded,
          notes: [...originNotes(checkpoint), ...fitted.notes],
          ...(taken && { provenance: { weights: taken } }),
        };
      } finally {
        await checkpoint.close();
      }
    },
  },
  tfjs: {
    ...SAFETENSORS,
    run: async (path, given, beside, _seeds, target) => {
      expectOwnLayers(given, 'a TF.js model');
      const size = sizeOf(given) ?? beside.suggestedSize;
      const { scalesPixels, fitting, ...network } = await importTfjsModel(path, size, target);
      return { network, ...ofKeras(scalesPixels, fitting), guessed: [] };
    },
  },
  keras: {
    ...SAFETENSORS,
    run: async (path, given, beside, _seeds, target) => {
      expectOwnLayers(given, 'a Keras model');
      const inputSize = sizeOf(given) ?? beside.suggestedSize;
      // In a thread: the HDF5 library may hang or break on a damaged file.
      const { scalesPixels, fitting, ...network } = await toSafetensors({
        type: 'keras',
        from: path,
        to: target,
        inputSize,
      });
      return { network, ...ofKeras(scalesPixels, fitting), guessed: [] };
    },
  },
  onnx: {
    file: 'model.onnx',
    format: 'onnx',
    run: async (path, given, beside, _seeds, target) => {
      expectNoChoice(given);
      const hints = parseOnnxArchitecture(given.architecture ?? { family: 'onnx' });
      if (hints === undefined)
        throw new Error('--arch applies only to files of weights; an ONNX model describes its own layers');
      const { facts, labels, detector, notes } = embeddedFacts(await readOnnxMetadata(path));
      const orderGiven = hasOwn(given.architecture, 'channel_order');
      const [suggestedSize, suggestedOrder] = [
        facts.suggestedSize ?? beside.suggestedSize,
        facts.suggestedOrder ?? beside.suggestedOrder,
      ];
      const { mean, std, numClasses } = given;
      const options = {
        hints,
        inputSize: sizeOf(given),
        suggestedSize,
        orderGiven,
        suggestedOrder,
        mean,
        std,
        numClasses,
      };
      const { evidence, isSizeOpen, resizes, ...network } = await importOnnx(path, options, target);
      const isOrderKnown = orderGiven || (evidence.channelOrder ?? suggestedOrder) !== undefined;
      const [height, width] = network.inputSize;
      return {
        network,
        embedded: labels,
        detector,
        defaults: usualDefaults(),
        // A model that makes any image its own size stretches it.
        inside: { ...(resizes && { resize_mode: 'stretch', crop_pct: 1 }), ...facts },
        shown: evidence.scaling,
        guessed: [
          ...(isSizeOpen && !resizes && suggestedSize === undefined ? ['input_size'] : []),
          ...(isOrderKnown ? [] : ['channel_order']),
        ],
        notes: [
          ...notes,
          ...(scoreCount(network.architecture) === 1 ? [TWO_CLASSES] : []),
          ...(resizes
            ? [`The model resizes images of any size to ${height} x ${width}: photos are stretched, as it does.`]
            : []),
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

/** The pixels of a model of Keras or TF.js. */
function ofKeras(
  scalesPixels: boolean,
  fitting: ImportedLayers['fitting'],
): Pick<Imported, 'defaults' | 'inside' | 'shown' | 'notes'> {
  const resized = fitting && {
    inside: { ...fitting, crop_pct: 1 },
    notes: [`The model resizes images itself: photos are fitted as it does (${fitting.resize_mode}).`],
  };
  const defaults = tfjsDefaults(scalesPixels);
  if (!scalesPixels) return { defaults, ...resized };
  const { mean, std } = defaults;
  const reason = 'the first layers of the model scale pixels of 0 to 255';
  return { defaults, ...resized, shown: { mean, std, reason, isWhole: true } };
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

function sizeOf({ input_size }: Pick<FoundFacts, 'input_size'>): Pair | undefined {
  return input_size && [input_size[1], input_size[2]];
}
