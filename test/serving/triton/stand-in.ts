import * as grpc from '@grpc/grpc-js';
import { Access } from '../../../src/access/access.ts';
import { RateLimit } from '../../../src/access/rate-limit.ts';
import { ImagePipeline } from '../../../src/answering/image-pipeline.ts';
import { TensorInference } from '../../../src/answering/tensor-inference.ts';
import { createLogger } from '../../../src/common/logger.ts';
import { createGrpcServer } from '../../../src/grpc/grpc-server.ts';
import { BodyParser } from '../../../src/protocol/body-parser.ts';
import { Registry } from '../../../src/registry/registry.ts';
import { readZoo } from '../../../src/registry/zoo.ts';
import { openSession } from '../../../src/runtime/open-session.ts';
import { Admission } from '../../../src/serving/admission.ts';
import { ByteBudget } from '../../../src/serving/byte-budget.ts';
import type { ConvertedModel } from '../../../src/serving/conversion-cache.ts';
import { DecodeQueue } from '../../../src/serving/decode-queue.ts';
import { CONFIG } from '../../http/fixture.ts';

/** The model that it has. */
export const NAME = 'colours';
export const VERSION = 3;

/** A server of the Open Inference Protocol that stands in for Triton. */
export interface StandIn {
  /** `host:port` */
  readonly address: string;
  readonly weightsSha256: string;
  close(): Promise<void>;
}

/**
 * Serves the model of `writeColourModel` by our own implementation of the protocol.
 * @param port 0 picks a free one
 */
export async function startTriton(path: string, port = 0): Promise<StandIn> {
  const [seed] = (await readZoo('zoo')).models;
  if (seed === undefined) throw new Error('the zoo is empty');
  const { manifest } = seed;
  const labels = ['red', 'green', 'blue'].map((label) => ({ label }));
  const file = { ...manifest.file, num_classes: 3, num_features: 3 };
  const preprocessing = { ...manifest.preprocessing, inputSize: [4, 4] as const };
  const version = { ...seed, name: NAME, version: VERSION, manifest: { ...manifest, labels, preprocessing, file } };
  const registry = new Registry();
  registry.set({ name: NAME, origin: 'store', versions: [version], aliases: {}, damaged: {} });
  const session = await openSession({ runtime: 'onnx', path, threads: 1 });
  const pipeline = new ImagePipeline({
    use: (_model, _runtime, work) =>
      work({
        submit: async (pixels, { outputs }) => {
          const computed = await session.run({ data: pixels, shape: [1, 4, 4, 3] }, outputs);
          const rows = Object.fromEntries(outputs.map((name) => [name, computed[name]?.data]));
          return { outputs: rows, queueMs: 0, inferenceMs: 1, batchSize: 1 };
        },
      }),
    preprocess: () => Promise.reject(new Error('Triton gets pixels')),
    admission: new Admission(1_000),
    decoding: new DecodeQueue(1),
    onImage: () => {},
  });
  const converted: ConvertedModel = {
    key: NAME,
    inputSize: [4, 4],
    numClasses: 3,
    featureSize: 3,
    activationShape: [4, 4, 3],
    onnx: { path, files: [], size: 1, sha256: '' },
    explanation: { refused: 'nobody asks' },
  };
  const server = createGrpcServer(grpc, {
    inference: new TensorInference({ registry, conversions: { peek: async () => converted }, pipeline }),
    control: { state: unasked, index: unasked, load: unasked, unload: unasked },
    statistics: { of: unasked },
    config: CONFIG,
    access: new Access({ everHadKeys: false, find: () => undefined }, { allowAnonymous: 'all', isLocal: true }),
    rateLimit: new RateLimit(0),
    bodyBudget: new ByteBudget(1e9),
    parser: new BodyParser(CONFIG),
    readiness: () => ({ ready: true }),
    isShuttingDown: () => false,
    metrics: { observeRequest: () => {} },
    logger: createLogger('silent'),
    version: '0.0.0',
  });
  const bound = await server.listen(port);
  return {
    address: `127.0.0.1:${bound}`,
    weightsSha256: manifest.file.weights.sha256,
    close: async () => {
      await server.drain(0);
      await session.close();
    },
  };
}

function unasked(): never {
  throw new Error('no test asks this');
}
