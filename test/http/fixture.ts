import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { AppError } from '../../src/errors.ts';
import { createApp } from '../../src/http/app.ts';
import type { Classifier, HttpDependencies, HttpLimits } from '../../src/http/dependencies.ts';
import { createHttpServer, type HttpServer } from '../../src/http/http-server.ts';
import { createMetrics, type Metrics } from '../../src/http/metrics.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import type { Classification, ClassificationRequest, ImageResult } from '../../src/pipelines/image-classification.ts';

export const OPENAPI = readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8');

const MODEL = 'tiny.test';
const LABELS = ['red', 'green', 'blue'] as const;

/** Decodes for real, then tells how red, green and blue the middle of the picture is. */
export const colourClassifier: Classifier = {
  async classify({ model = MODEL, runtime, topK, threshold, images }: ClassificationRequest): Promise<Classification> {
    if (model !== MODEL) throw new AppError('model_not_found', `there is no model "${model}"; there are ${MODEL}`);
    const results = images.map(async ({ filename, bytes }): Promise<ImageResult> => {
      try {
        const recipe = { inputSize: [32, 32], cropPct: 1, interpolation: 'bilinear' } as const;
        const { pixels } = await preprocessImage(bytes, recipe, 50_000_000);
        const sums = [0, 0, 0];
        pixels.forEach((value, i) => {
          sums[i % 3] = (sums[i % 3] ?? 0) + value + 1;
        });
        const total = sums.reduce((sum, value) => sum + value, 0);
        const predictions = LABELS.map((label, index) => ({ label, index, score: (sums[index] ?? 0) / total }))
          .sort((a, b) => b.score - a.score)
          .filter(({ score }) => score >= threshold)
          .slice(0, topK);
        return { filename, predictions, timings: { decodeMs: 1.234, queueMs: 0, inferenceMs: 2, batchSize: 1 } };
      } catch (thrown) {
        if (thrown instanceof AppError) return { filename, error: thrown };
        throw thrown;
      }
    });
    return { model, version: 1, runtime, results: await Promise.all(results), timings: { totalMs: 5.5 } };
  },
};

export const CARD = {
  id: MODEL,
  title: 'A model for tests',
  version: 1,
  versions: [1],
  aliases: {},
  default: true,
  architecture: { family: 'resnet' },
  input: { height: 32, width: 32, channels: 3, layout: 'NHWC', dtype: 'uint8' },
  preprocessing: {
    resize: 32,
    crop: [32, 32],
    crop_pct: 1,
    interpolation: 'bilinear',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  outputs: ['probabilities', 'logits', 'features', 'activations'],
  num_classes: 3,
  num_features: 8,
  parameters: 1000,
  classes: LABELS.map((label, index) => ({ index, label, synset: null })),
  accuracy: [{ dataset: 'three colours', images: 3, top1: 100 }],
  license: 'Apache-2.0',
  weights: { sha256: 'a'.repeat(64), size_bytes: 4000 },
  formats: [{ runtime: 'onnx', state: 'ready', sha256: 'b'.repeat(64), size_bytes: 4100 }],
};

export const LIMITS: HttpLimits = {
  maxImageBytes: 200_000,
  maxImages: 64,
  maxBodyBytes: 1_000_000,
  requestTimeoutMs: 10_000,
};

/** A running server and how to reach it. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly http: HttpServer;
  readonly metrics: Metrics;
  /** Parsed log lines, oldest first. */
  readonly log: readonly Record<string, unknown>[];
  close(): Promise<void>;
}

/** Serves the interface over a fake classifier on a free port. */
export async function startServer(overrides: Partial<HttpDependencies> = {}): Promise<TestServer> {
  const log: Record<string, unknown>[] = [];
  const metrics = createMetrics({
    version: '0.0.0',
    memory: () => [{ process: 'server', rssBytes: process.memoryUsage.rss() }],
    imagesInFlight: () => 0,
    queues: () => [{ model: MODEL, runtime: 'onnx', depth: 0 }],
    runtimes: () => [{ runtime: 'onnx', backend: 'cpu', version: '1.30.0' }],
  });
  const dependencies: HttpDependencies = {
    classifier: colourClassifier,
    models: {
      list: () =>
        [CARD].map(({ id, title, version, num_classes, license }) => ({
          id,
          title,
          version,
          default: true,
          architecture: 'resnet',
          num_classes,
          parameters: 1000,
          license,
        })),
      describe: (id) => {
        if (id !== MODEL) throw new AppError('model_not_found', `there is no model "${id}"; there are ${MODEL}`);
        return CARD;
      },
    },
    readiness: () => ({ ready: true }),
    isShuttingDown: () => false,
    metrics,
    limits: LIMITS,
    logger: pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) }),
    openapi: OPENAPI,
    version: '0.0.0',
    ...overrides,
  };
  const http = createHttpServer(createApp(dependencies), dependencies.limits);
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve));
  const { port } = http.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    http,
    metrics,
    log,
    close: async () => {
      metrics.close();
      await http.drain(0);
    },
  };
}

/** A connection on which a test speaks HTTP by hand. */
export async function openSocket(port: number): Promise<{ socket: Socket; everything: Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const everything = new Promise<string>((resolve) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return { socket, everything };
}

/** A form of images under their file names, and of fields. */
export function form(
  images: Readonly<Record<string, Uint8Array>>,
  fields: Readonly<Record<string, string>> = {},
): FormData {
  const data = new FormData();
  for (const [name, bytes] of Object.entries(images)) data.append('image', new Blob([Uint8Array.from(bytes)]), name);
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}
