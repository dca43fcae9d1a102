import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import type { PixelTensor } from '../common/tensor.ts';
import { OnnxExplainer } from './onnx-explainer.ts';
import { onnxRuntime } from './onnx-runtime.ts';
import { type AnswerName, type Outputs, requireFittingPixels, type Session, type SessionSource } from './session.ts';

/**
 * Opens a converted ONNX model. Blocks the thread while the graph is optimised.
 * @throws Error when the file is no model
 */
export async function openOnnxSession(source: SessionSource): Promise<Session> {
  const { path, files = [], explanation, threads, provider = 'cpu' } = source;
  // Alone: beside another one it would be left out where the library does not have it. What it cannot compute goes to the
  // processor all the same.
  const options = { ...sessionOptions(threads), executionProviders: [provider] };
  const session = await onnxRuntime.InferenceSession.create(path, options);
  const inputShape = pixelShape(session);
  const explainer =
    explanation === undefined
      ? undefined
      : new OnnxExplainer([...files, explanation], () =>
          onnxRuntime.InferenceSession.create(explanation.path, sessionOptions(threads, UNPACKED)),
        );
  return {
    runtime: 'onnx',
    backend: provider,
    version: onnxRuntime.env.versions.node ?? onnxRuntime.env.versions.common,
    rejected: [],
    run: async (pixels, outputs, classes) => {
      requireFittingPixels(pixels, inputShape);
      const feeds = { pixels: toOnnx(pixels) };
      if (!outputs.includes('explanation')) return collect(await session.run(feeds, outputs), outputs);
      if (explainer === undefined) throw new Error('the model cannot be explained');
      const own = outputs.filter((name) => name !== 'explanation');
      const results = await session.run(feeds, [...new Set([...own, ...OnnxExplainer.reads])]);
      return collect({ ...results, explanation: await explainer.run(results, classes) }, outputs);
    },
    close: async () => {
      await explainer?.close();
      await session.release();
    },
  };
}

/**
 * The explanation model uses the weights mapped from the file of the first model. Packed copies of a VGG's dense
 * layers would take another gigabyte, for a model that is used seldom.
 */
const UNPACKED = { disable_prepacking: '1' };

function sessionOptions(threads: number, more: Readonly<Record<string, string>> = {}): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    interOpNumThreads: 1,
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
    // Errors only: warnings, such as those about constant folding, go to stderr past our log.
    logSeverityLevel: 3,
    // Threads spin between two layers, since waking one takes as long as a small layer: a ResNet-18 of 64 x 64 pixels
    // takes 2.4 ms on two threads that spin, 2.9 on two that do not. After a run they sleep at once and leave the core
    // to decoding and the HTTP thread. Spinning on for 1, 5 or 20 ms, with a run every 7 ms, saved at most 0.1 ms of
    // 2.4 (0.3 of 8.4 with EfficientNet-Lite0) and cost up to twice the CPU time: 9.1 ms an image instead of 4.9.
    extra: { session: { force_spinning_stop: '1', ...more } },
  };
}

/** `[height, width, channels]` of the model's input. */
function pixelShape(session: InferenceSession): number[] {
  const input = session.inputMetadata.find(({ name }) => name === 'pixels');
  if (input === undefined || !input.isTensor || input.type !== 'uint8' || input.shape.length !== 4) {
    throw new Error('the ONNX model has no input named pixels of type uint8 and shape [n, height, width, 3]');
  }
  return input.shape.slice(1).map(Number);
}

function toOnnx({ data, shape }: PixelTensor): OnnxTensor {
  return new onnxRuntime.Tensor('uint8', data, [...shape]);
}

function collect(results: InferenceSession.OnnxValueMapType, names: readonly AnswerName[]): Outputs {
  return Object.fromEntries(
    names.map((name) => {
      const result = results[name];
      if (!(result?.data instanceof Float32Array)) throw new Error(`the ONNX model has no float output named ${name}`);
      return [name, { data: result.data, shape: result.dims }];
    }),
  );
}
