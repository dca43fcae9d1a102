import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as ort from 'onnxruntime-node';
import { elementCount, type Tensor } from '../../src/common/tensor.ts';
import { OUTPUT_NAMES, type OutputName } from '../../src/runtime/session.ts';

/** Outputs of emitted models, run without any code of `src/runtime`. */
export type Answers = Readonly<Record<Exclude<OutputName, 'novelty'>, Tensor>> & {
  /** `[n, 1]`, of models with a detector. */
  readonly novelty?: Tensor;
};
type Input = Tensor<Uint8Array> | Tensor<Float32Array>;

/** Runs an ONNX model on bytes or floats. */
export async function runOnnx(path: string, input: Input): Promise<Answers> {
  const [answers] = await runOnnxOnEach(path, [input]);
  if (answers === undefined) throw new Error('no answers');
  return answers;
}

/** Runs an ONNX model, which is opened once, on one input after the other. */
export async function runOnnxOnEach(path: string, inputs: readonly Input[]): Promise<Answers[]> {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 2 });
  const answers: Answers[] = [];
  for (const input of inputs) answers.push(await runSession(session, input));
  await session.release();
  return answers;
}

async function runSession(session: ort.InferenceSession, input: Input): Promise<Answers> {
  const feed =
    input.data instanceof Uint8Array
      ? new ort.Tensor('uint8', input.data, input.shape)
      : new ort.Tensor('float32', input.data, input.shape);
  const results = await session.run({ pixels: feed });
  return answersOf((name) => {
    const result = results[name];
    if (result === undefined) return undefined;
    if (!(result.data instanceof Float32Array)) throw new Error(`no float output "${name}"`);
    return { data: result.data, shape: result.dims };
  });
}

/** Runs a TF.js layers model on WebAssembly. */
export async function runTfjs(path: string, input: Input): Promise<Answers> {
  const { model, forget } = await loadTfjs(path);
  const x = tf.tensor4d(Float32Array.from(input.data), fourSizes(input.shape));
  const outputs = model.predict(x);
  if (!Array.isArray(outputs)) throw new Error('the model has only one output');
  const answers = answersOf((name) => {
    const output = outputs[model.outputNames.indexOf(name)];
    if (output === undefined) return undefined;
    const data = output.dataSync();
    if (!(data instanceof Float32Array)) throw new Error(`no float output "${name}"`);
    return { data: data.slice(), shape: output.shape };
  });
  tf.dispose([x, outputs]);
  forget();
  return answers;
}

/** Loads a model. `forget` frees its memory. */
async function loadTfjs(path: string): Promise<{ model: tf.LayersModel; forget: () => void }> {
  setWasmPaths(join(process.cwd(), 'node_modules/@tensorflow/tfjs-backend-wasm/dist/'));
  await tf.setBackend('wasm');
  const model = await tf.loadLayersModel({ load: () => readArtifacts(path) });
  return { model, forget: () => model.dispose() };
}

async function readArtifacts(path: string): Promise<tf.io.ModelArtifacts> {
  const json = JSON.parse(await readFile(path, 'utf8'));
  const [group] = json.weightsManifest;
  const weightData: ArrayBuffer[] = [];
  for (const shard of group.paths) weightData.push(Uint8Array.from(await readFile(join(dirname(path), shard))).buffer);
  return { modelTopology: json.modelTopology, weightSpecs: group.weights, weightData };
}

function answersOf(read: (name: OutputName) => Tensor | undefined): Answers {
  const [probabilities, logits, features, activations, novelty] = OUTPUT_NAMES.map(read);
  if (!probabilities || !logits || !features || !activations) throw new Error('an output is missing');
  return { probabilities, logits, features, activations, ...(novelty && { novelty }) };
}

function fourSizes(shape: readonly number[]): [number, number, number, number] {
  const [n = 0, height = 0, width = 0, channels = 0] = shape;
  return [n, height, width, channels];
}

/** The largest difference of two tensors. @throws when their shapes differ */
export function maxDifference(a: Tensor, b: Tensor): number {
  if (a.shape.join() !== b.shape.join() || a.data.length !== elementCount(b.shape)) {
    throw new Error(`shapes [${a.shape}] and [${b.shape}] differ`);
  }
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - (b.data[index] ?? Number.NaN))), 0);
}
