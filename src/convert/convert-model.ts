import { mkdir, rename, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { checkedJson } from '../common/checked-json.ts';
import { syncToDisk } from '../common/durable-files.ts';
import { withStagingFolder } from '../common/staging-folder.ts';
import { type Conversion, type ConversionRecord, RECORD_FILE, readConversion, verifyConversion } from './conversion.ts';
import { ConversionError } from './conversion-error.ts';
import {
  activationShape,
  classCount,
  featureSize,
  type OnnxHints,
  parseOnnxArchitecture,
} from './foreign-onnx/architecture.ts';
import { writeWrappedOnnx } from './foreign-onnx/convert-onnx.ts';
import { type WrittenFile, writeFileThrough } from './formats/file-sink.ts';
import { weightLocations, writeOnnx } from './formats/onnx/emitter.ts';
import { writeOnnxExplanation } from './formats/onnx/explanation.ts';
import { SafetensorsFile } from './formats/safetensors/reader.ts';
import { writeTfjs } from './formats/tfjs/emitter.ts';
import type { WeightStorage } from './formats/tfjs/weights.ts';
import { explainableHead } from './graph/explanation.ts';
import { foldBatchNorm } from './graph/fold-batch-norm.ts';
import type { Graph } from './graph/graph.ts';
import type { Pair } from './graph/windows.ts';
import { buildNetwork, parseArchitecture } from './network.ts';
import { attachNovelty, type NoveltyTensors, withNovelty } from './transfer/novelty.ts';

const MODEL_FILE = 'model.onnx';
const EXPLANATION_FILE = 'explanation.onnx';
const TFJS_FOLDER = 'tfjs';

/** The input of a conversion. Plain data, so that it can be sent to another process. */
export interface ConversionSource {
  /** A safetensors file, or an ONNX file when the family of the architecture is `onnx`. */
  readonly weightsPath: string;
  /** A name or a table for `parseArchitecture`, or the architecture of an ONNX model for `parseOnnxArchitecture`. */
  readonly architecture: unknown;
  readonly inputSize: Pair;
  /** Of red, green and blue, in units of 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Compared with the tensors when given. */
  readonly numClasses?: number;
  /** Element type of the kernels of the TF.js model. Default: float32. */
  readonly tfjsStorage?: WeightStorage;
  /** The file of a detector, which gives the model the output `novelty`. */
  readonly noveltyPath?: string;
}

export interface ConversionProgress {
  readonly format: 'onnx' | 'tfjs';
  /** Share of this format that is written, 0..1. ONNX is written first. */
  readonly fraction: number;
}

/**
 * Writes `model.onnx`, `explanation.onnx`, `tfjs/model.json` and `conversion.json` to a folder that appears complete
 * or not at all. A sound conversion that another process has written in the meantime is kept.
 *
 * @throws ConversionError when architecture, weights and options do not fit each other
 */
export async function convertModel(
  source: ConversionSource,
  outDir: string,
  onProgress: (progress: ConversionProgress) => void = () => {},
): Promise<Conversion> {
  const onnx = parseOnnxArchitecture(source.architecture);
  if (onnx !== undefined) {
    const convert = (detector?: NoveltyTensors) =>
      produce(outDir, (folder) => writeWrapped(source, onnx, detector, folder, onProgress));
    return await (source.noveltyPath === undefined ? convert() : withNovelty(source.noveltyPath, convert));
  }
  const architecture = parseArchitecture(source.architecture);
  const weights = await SafetensorsFile.open(source.weightsPath);
  try {
    const graph = buildNetwork(architecture, weights, source);
    const convert = (complete: Graph) => convertGraph(complete, outDir, source.tfjsStorage, onProgress);
    if (source.noveltyPath === undefined) return await convert(graph);
    return await withNovelty(source.noveltyPath, (detector) => convert(attachNovelty(graph, detector)));
  } finally {
    await weights.close();
  }
}

/** Like `convertModel`, for a graph that was built or imported elsewhere. */
export async function convertGraph(
  graph: Graph,
  outDir: string,
  tfjsStorage: WeightStorage = 'float32',
  onProgress: (progress: ConversionProgress) => void = () => {},
): Promise<Conversion> {
  return await produce(outDir, (folder) => writeFormats(foldBatchNorm(graph), folder, tfjsStorage, onProgress));
}

/** Calls `write` with a staging folder, and moves it to `outDir` when it is complete. */
async function produce(outDir: string, write: (folder: string) => Promise<ConversionRecord>): Promise<Conversion> {
  await withStagingFolder(dirname(outDir), async (staging) => {
    const made = join(staging, 'made');
    await mkdir(made);
    const record = await write(made);
    await writeFileThrough(join(made, RECORD_FILE), (sink) => sink.write(Buffer.from(checkedJson(record))));
    if (record.tfjs !== undefined) await syncToDisk(join(made, TFJS_FOLDER));
    await syncToDisk(made);
    await moveInto(made, outDir, join(staging, 'damaged'));
  });
  await syncToDisk(dirname(outDir));
  const conversion = await readConversion(outDir);
  if (conversion === undefined) throw new Error(`${outDir} exists, but holds no conversion`);
  return conversion;
}

async function writeFormats(
  graph: Graph,
  folder: string,
  storage: WeightStorage,
  onProgress: (progress: ConversionProgress) => void,
): Promise<ConversionRecord> {
  const onnx = await writeOnnx(graph, join(folder, MODEL_FILE), {
    onProgress: (fraction) => onProgress({ format: 'onnx', fraction }),
  });
  const tfjs = await writeTfjs(graph, join(folder, TFJS_FOLDER), {
    storage,
    onProgress: (fraction) => onProgress({ format: 'tfjs', fraction }),
  });
  const { height, width, channels } = graph.outputs.activations.shape;
  return {
    input_size: [graph.input.shape.height, graph.input.shape.width],
    num_classes: graph.outputs.logits.shape.length,
    feature_size: graph.outputs.features.shape.length,
    activation_shape: [height, width, channels],
    onnx: onnx.map((file) => relativeTo(folder, file)),
    tfjs: tfjs.map((file) => relativeTo(folder, file)),
    explanation: await writeExplanation(graph, folder),
  };
}

async function writeWrapped(
  source: ConversionSource,
  hints: OnnxHints,
  novelty: NoveltyTensors | undefined,
  folder: string,
  onProgress: (progress: ConversionProgress) => void,
): Promise<ConversionRecord> {
  const { architecture, files, explanation } = await writeWrappedOnnx(
    { ...source, hints, novelty },
    join(folder, MODEL_FILE),
    join(folder, EXPLANATION_FILE),
    (fraction) => onProgress({ format: 'onnx', fraction }),
  );
  return {
    input_size: [...source.inputSize],
    num_classes: classCount(architecture),
    feature_size: featureSize(architecture),
    activation_shape: activationShape(architecture),
    onnx: files.map((file) => relativeTo(folder, file)),
    ...(architecture.max_batch !== undefined && { max_batch: architecture.max_batch }),
    explanation:
      explanation === undefined
        ? {
            refused:
              'no class can be traced back: the ONNX model does not end in the mean of a map and one dense layer',
          }
        : { method: 'cam', file: relativeTo(folder, explanation) },
  };
}

/** A network whose classes cannot be explained still serves: the refusal is recorded and is no error. */
async function writeExplanation(graph: Graph, folder: string): Promise<ConversionRecord['explanation']> {
  try {
    const head = explainableHead(graph);
    const locations = weightLocations(graph, join(folder, MODEL_FILE));
    const file = await writeOnnxExplanation(graph, head, join(folder, EXPLANATION_FILE), locations);
    return { method: head.method, file: relativeTo(folder, file) };
  } catch (thrown) {
    if (thrown instanceof ConversionError) return { refused: thrown.message };
    throw thrown;
  }
}

function relativeTo(folder: string, file: WrittenFile): WrittenFile {
  return { ...file, path: relative(folder, file.path) };
}

/** Renames a folder to `target`. An existing sound conversion is kept; anything else there is moved to `aside`. */
async function moveInto(folder: string, target: string, aside: string): Promise<void> {
  try {
    await rename(folder, target);
  } catch (error) {
    if (!(await stat(target).catch(() => undefined))?.isDirectory()) throw error;
    if ((await verifyConversion(target)) !== undefined) return;
    await rename(target, aside);
    await rename(folder, target);
  }
}
