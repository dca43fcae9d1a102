import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { Access } from '../../src/access/access.ts';
import { RateLimit } from '../../src/access/rate-limit.ts';
import type {
  Classification,
  ClassificationRequest,
  ImageClassifier,
  ImageResult,
} from '../../src/answering/image-classification.ts';
import type { ModelCatalogue } from '../../src/catalogue/model-catalogue.ts';
import { AppError } from '../../src/common/errors.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { createApp, type HttpDependencies } from '../../src/http/app.ts';
import { createHttpServer, type HttpServer } from '../../src/http/http-server.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts';
import { BodyParser } from '../../src/protocol/body-parser.ts';
import { ByteBudget } from '../../src/serving/byte-budget.ts';
import { readContract } from './contract.ts';

export const OPENAPI = readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8');

const contract = readContract(OPENAPI);

const MODEL = 'tiny.test';
const LABELS = ['red', 'green', 'blue'] as const;

/** Decodes for real, then tells how red, green and blue the middle of the picture is. */
export const colourClassifier: Pick<ImageClassifier, 'classify'> = {
  async classify({
    model = MODEL,
    variant = 'float32',
    runtime,
    topK,
    threshold = 0,
    images,
  }: ClassificationRequest): Promise<Classification> {
    if (model !== MODEL) throw new AppError('model_not_found', `there is no model "${model}"; there are ${MODEL}`);
    const results = images.map(async ({ filename, bytes }): Promise<ImageResult> => {
      try {
        const recipe = { inputSize: [32, 32], resizeMode: 'crop', cropPct: 1, interpolation: 'bilinear' } as const;
        const { pixels, warnings } = await preprocessImage(bytes, recipe, 50_000_000);
        const sums = [0, 0, 0];
        pixels.forEach((value, i) => {
          sums[i % 3] = (sums[i % 3] ?? 0) + value + 1;
        });
        const total = sums.reduce((sum, value) => sum + value, 0);
        const predictions = LABELS.map((label, index) => ({ label, index, score: (sums[index] ?? 0) / total }))
          .sort((a, b) => b.score - a.score)
          .filter(({ score }) => score >= threshold)
          .slice(0, topK);
        const timings = { decodeMs: 1.234, queueMs: 0, inferenceMs: 2, batchSize: 1 };
        return { filename, predictions, warnings, timings };
      } catch (thrown) {
        if (thrown instanceof AppError) return { filename, error: thrown };
        throw thrown;
      }
    });
    const timings = { totalMs: 5.5 };
    return { model, version: 1, variant, runtime, results: await Promise.all(results), timings };
  },
};

const SUMMARY = {
  id: MODEL,
  title: 'A model for tests',
  recommended: false,
  num_classes: 3,
  num_features: 8,
  parameters: 1000,
  input_size: [3, 32, 32],
  license: 'Apache-2.0',
  size_bytes: 4000,
  accuracy: [{ dataset: 'three colours', images: 3, top1: 100 }],
  version: 1,
  versions: [1],
  aliases: { production: 1 },
  default: true,
  hierarchy: false,
  variants: ['float32'],
};

export const CARD = {
  ...SUMMARY,
  architecture: { family: 'resnet' },
  input: { height: 32, width: 32, channels: 3, layout: 'NHWC', dtype: 'uint8', range: [0, 255], colour: 'RGB' },
  preprocessing: {
    resize_mode: 'crop',
    crop_pct: 1,
    interpolation: 'bilinear',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  classes: LABELS.map((label, index) => ({ index, label })),
  weights: { sha256: 'a'.repeat(64), size_bytes: 4000 },
  formats: { onnx: { sha256: 'b'.repeat(64), size_bytes: 4100 } },
};

export const CONFIG: Config = {
  ...readConfig({}),
  maxImageBytes: 200_000,
  maxImages: 64,
  maxBodyBytes: 1_000_000,
  requestTimeoutMs: 10_000,
  maxArchiveBytes: 2_000_000,
  uploadTimeoutMs: 20_000,
};

/** Access without keys, as on loopback. */
const LOCAL_ACCESS = new Access(
  { everHadKeys: false, find: () => undefined },
  { allowAnonymous: 'none', isLocal: true },
);

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

/** Completes dependencies with services that a test never asks: their methods throw. */
export function completed(given: Partial<HttpDependencies>): HttpDependencies {
  const unused = new Proxy({}, { get: () => unfaked });
  return new Proxy(given, {
    get: (known, name) => (name in known ? Reflect.get(known, name) : unused),
  }) as HttpDependencies;
}

function unfaked(): never {
  throw new Error('the test fakes no such service');
}

/** A catalogue of one model. */
const catalogue: Pick<ModelCatalogue, 'list' | 'describe'> = {
  list: async () => ({ models: [SUMMARY], unavailable: [], not_pulled: [] }),
  describe: async (id) => {
    if (id !== MODEL) throw new AppError('model_not_found', `there is no model "${id}"; there are ${MODEL}`);
    return CARD;
  },
};

/** Serves the interface over a fake classifier on a free port. */
export async function startServer(overrides: Partial<HttpDependencies> = {}): Promise<TestServer> {
  const log: Record<string, unknown>[] = [];
  const metrics = createMetrics({
    version: '0.0.0',
    memory: () => [{ process: 'server', rssBytes: process.memoryUsage.rss() }],
    cpu: async () => [{ process: 'server', seconds: 1.5 }],
    queues: () => [{ model: MODEL, runtime: 'onnx', depth: 0 }],
    loaded: () => [{ model: MODEL, version: 1, runtime: 'onnx', bytes: 4100 }],
    imagesInFlight: () => 0,
    runtimes: () => [{ runtime: 'onnx', backend: 'cpu', version: '1.30.0' }],
  });
  const dependencies = completed({
    classifier: colourClassifier,
    catalogue: { ...catalogue, describeAny: unfaked, report: unfaked, reportPictures: unfaked, export: unfaked },
    readiness: () => ({ ready: true }),
    warnings: () => [],
    isShuttingDown: () => false,
    metrics,
    tracing: undefined,
    config: CONFIG,
    access: LOCAL_ACCESS,
    rateLimit: new RateLimit(CONFIG.requestsPerMinute),
    bodyBudget: new ByteBudget(CONFIG.maxBytesInFlight),
    parser: new BodyParser({ ...CONFIG, ...overrides.config }),
    logger: pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) }),
    openapi: OPENAPI,
    uploadDir: '/nowhere',
    webDir: '/nowhere',
    version: '0.0.0',
    ...overrides,
  });
  const http = createHttpServer(createApp(dependencies), { ...CONFIG, ...overrides.config });
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

/** A promise and what settles it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** A connection on which a test speaks HTTP by hand. */
export interface Line {
  readonly socket: Socket;
  /** The first answer, once its whole body is here. */
  readonly answer: Promise<{ status: number; head: string; body: unknown }>;
  readonly closed: Promise<void>;
  /** All that came, interim answers aside. */
  readonly received: () => string;
}

export async function openLine(port: number): Promise<Line> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let text = '';
  const answer = new Promise<{ status: number; head: string; body: unknown }>((resolve, reject) => {
    socket.on('data', (chunk) => {
      text += chunk;
      text = text.replace(/^HTTP\/1.1 100 Continue\r\n\r\n/, '');
      const [head = '', body] = text.split('\r\n\r\n', 2);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (!head || body === undefined || Buffer.byteLength(body) < length) return;
      resolve({ status: Number(head.split(' ')[1]), head, body: JSON.parse(body.slice(0, length)) });
    });
    socket.once('close', () => reject(new Error(`closed after: ${text}`)));
  });
  answer.catch(() => {});
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return { socket, answer, closed, received: () => text };
}

/** The members that tests look at; which of them an answer has is the contract's to check. */
interface AnswerBody {
  readonly state: string;
  readonly code: string;
  readonly detail: string;
  readonly request_id: string;
  readonly context: Readonly<Record<string, unknown>>;
  readonly model: string;
  readonly runtime: string;
  readonly timings: Readonly<Record<string, number>>;
  readonly results: readonly {
    readonly filename: string;
    readonly predictions: readonly { readonly label: string; readonly score: number; readonly synset: string | null }[];
    readonly timings: Readonly<Record<string, number>>;
    readonly error?: { readonly code: string; readonly request_id: string };
  }[];
}

/** What a test reads of an answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AnswerBody;
  readonly text: string;
}

/** Sends a request, and holds its answer against `openapi.yaml`. */
export async function ask({ url }: TestServer, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url + path, { redirect: 'manual', ...init });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  const { status, headers } = response;
  const body: unknown = isJson ? JSON.parse(text) : text;
  contract.check(init.method ?? 'GET', path, { status, headers, body });
  return { status, headers, body: body as AnswerBody, text };
}

/** Sends a form of images to be classified. */
export function classify(
  server: TestServer,
  images: Readonly<Record<string, Uint8Array>>,
  { query = '', fields = {} }: { query?: string; fields?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  return ask(server, `/classify${query}`, { method: 'POST', body: imageForm(images, fields) });
}

/** Sends a body under a type to be classified. */
export function classifyRaw(
  server: TestServer,
  body: Uint8Array | string,
  type = 'image/jpeg',
  query = '',
): Promise<Answer> {
  const bytes = typeof body === 'string' ? body : Uint8Array.from(body);
  return ask(server, `/classify${query}`, { method: 'POST', body: bytes, headers: { 'Content-Type': type } });
}

/** A form of images under their file names, and of fields. */
export function imageForm(
  images: Readonly<Record<string, Uint8Array>>,
  fields: Readonly<Record<string, string>> = {},
): FormData {
  const data = new FormData();
  for (const [name, bytes] of Object.entries(images)) data.append('image', new Blob([Uint8Array.from(bytes)]), name);
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}
