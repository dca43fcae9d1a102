import { copyFile, open } from 'node:fs/promises';
import { elementCount } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { PytorchCheckpoint } from '../formats/pytorch/checkpoint.ts';
import type { WeightsChoice } from '../formats/pytorch/state-dict.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { storedTensors, writeSafetensors } from '../formats/safetensors/writer.ts';
import { type Graph, weightsOf } from '../graph/graph.ts';
import type { Pair } from '../graph/windows.ts';
import { buildNetwork, NAMED_ARCHITECTURES, type NetworkOptions, parseArchitecture } from '../network.ts';
import { fitReplacedHead, UnsupportedHead } from './replaced-head.ts';
import { type TensorFile, unwrapped } from './state-dict-names.ts';

/** Facts about a network for its manifest. */
export interface ImportedNetwork {
  /** A name, or a table. */
  readonly architecture: unknown;
  readonly inputSize: Pair;
  readonly numClasses: number;
  readonly featureSize: number;
  /** Number of trained values; the statistics of batch norms are not counted. */
  readonly parameters: number;
}

/**
 * A safetensors file or a PyTorch checkpoint; prefixes such as `module.` are removed from the names of its tensors.
 */
export interface OpenCheckpoint {
  /** Whether the file can be used as it is: it is safetensors, and no tensor was renamed. */
  readonly isReady: boolean;
  readonly tensors: TensorFile;
  /** Where in a PyTorch checkpoint the tensors are; absent for safetensors. */
  readonly origin?: PytorchCheckpoint['origin'];
  /** What a PyTorch checkpoint says beside its tensors. */
  readonly document?: unknown;
  close(): Promise<void>;
}

/**
 * Opens a file in the format that its first bytes tell.
 *
 * @param choice which weights of a PyTorch checkpoint to take; see `findStateDict`
 * @throws ConversionError when it is damaged or has no such tensors
 */
export async function openCheckpoint(path: string, choice?: WeightsChoice): Promise<OpenCheckpoint> {
  const file = await ((await isSafetensors(path)) ? SafetensorsFile.open(path) : PytorchCheckpoint.open(path, choice));
  try {
    const tensors = unwrapped(file);
    const close = () => file.close();
    if (file instanceof PytorchCheckpoint) {
      const { origin, document } = file;
      return { isReady: false, tensors, origin, document, close };
    }
    if (choice === 'ema') throw new ConversionError('a safetensors file has no averaged weights beside others');
    return { isReady: tensors === file, tensors, close };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** By the first bytes; by the name when these are neither of safetensors nor of PyTorch, as in a damaged file. */
async function isSafetensors(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(9), 0, 9, 0);
    const start = buffer.toString('latin1', 0, bytesRead);
    return (
      start.at(8) === '{' || (/\.safetensors$/i.test(path) && !start.startsWith('PK') && !start.startsWith('\x80'))
    );
  } finally {
    await handle.close();
  }
}

/** A checkpoint as an architecture reads it. */
export interface FittedCheckpoint {
  /** A name, or a table when the head was replaced. */
  readonly architecture: unknown;
  readonly checkpoint: OpenCheckpoint;
  /** What was assumed, as sentences. */
  readonly notes: readonly string[];
}

/**
 * Fits a checkpoint to an architecture: its head may have been replaced, see `fitReplacedHead`.
 *
 * @param architecture a name or a table
 * @throws ConversionError when neither the architecture nor a replaced head fits
 */
export function fitArchitecture(architecture: unknown, checkpoint: OpenCheckpoint, inputSize: Pair): FittedCheckpoint {
  const table = parseArchitecture(architecture);
  const fitted = fitReplacedHead(table, checkpoint.tensors, inputSize);
  if (fitted === undefined) return { architecture, checkpoint, notes: [] };
  const { tensors, notes } = fitted;
  return {
    architecture: fitted.architecture === table ? architecture : fitted.architecture,
    checkpoint: { ...checkpoint, isReady: false, tensors },
    notes,
  };
}

/**
 * The name of the known architecture that has exactly these tensors, apart from a replaced head.
 *
 * @throws ConversionError when there is none, or more than one
 */
export function recognizeArchitecture(tensors: TensorFile): string {
  const unsupported: UnsupportedHead[] = [];
  const found = Object.entries(NAMED_ARCHITECTURES).filter(([, named]) => {
    try {
      const table = parseArchitecture(named);
      const fitted = fitReplacedHead(table, tensors, TRIAL.inputSize) ?? { architecture: table, tensors };
      buildNetwork(fitted.architecture, fitted.tensors, TRIAL);
      return true;
    } catch (thrown) {
      if (thrown instanceof UnsupportedHead) unsupported.push(thrown);
      if (thrown instanceof ConversionError) return false;
      throw thrown;
    }
  });
  const [only] = found;
  if (only !== undefined && found.length === 1) return only[0];
  const [head] = unsupported;
  if (found.length === 0 && head !== undefined) throw head;
  const all = [...tensors.names()];
  if (found.length === 0 && all.every((name) => /^\d+\.\d+\./.test(name))) {
    throw new ConversionError(
      `the modules have numbers instead of names ("${all[0]}" ...), as those of fastai's learners. Export the network ` +
        'to ONNX:\n  torch.onnx.export(learn.model.cpu().eval(), torch.zeros(1, 3, 224, 224), "model.onnx")\n' +
        'and import model.onnx, with the classes of learn.dls.vocab as --labels',
    );
  }
  const names = all.slice(0, 3).join('", "');
  throw new ConversionError(
    found.length === 0
      ? `no known architecture has exactly these tensors ("${names}" ...): name one with --arch to see what differs, ` +
          'or export the model to ONNX and import that'
      : `the tensors fit ${found.map(([name]) => name).join(' and ')}: choose one with --arch`,
  );
}

/** Options for a trial build: input size and scaling have no influence on which tensors are needed. */
const TRIAL: NetworkOptions = { inputSize: [224, 224], mean: [0, 0, 0], std: [1, 1, 1] };

/**
 * Builds an architecture from a checkpoint, and writes the checkpoint as the weights file of a model.
 *
 * @param architecture a name or a table
 * @throws ConversionError that names the tensor that does not fit; Error when `target` exists
 */
export async function importCheckpoint(
  path: string,
  { isReady, tensors }: OpenCheckpoint,
  architecture: unknown,
  inputSize: Pair,
  target: string,
): Promise<ImportedNetwork> {
  const graph = buildNetwork(parseArchitecture(architecture), tensors, { ...TRIAL, inputSize });
  if (isReady) await copyFile(path, target);
  else await writeSafetensors(target, storedTensors(tensors, tensors.names()), { format: 'pt' });
  return { architecture, inputSize, ...factsOf(graph) };
}

/** Facts about a graph for a manifest. */
export function factsOf(graph: Graph): Pick<ImportedNetwork, 'numClasses' | 'featureSize' | 'parameters'> {
  const { logits, features } = graph.outputs;
  const learnt = graph.nodes.flatMap((node) => {
    const weights = weightsOf(node);
    return node.operation.kind === 'batch_norm' ? weights.slice(0, 2) : weights;
  });
  const parameters = learnt.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { numClasses: logits.shape.length, featureSize: features.shape.length, parameters };
}
