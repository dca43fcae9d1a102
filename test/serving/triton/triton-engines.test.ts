import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { decode, encode } from '../../../src/common/protobuf.ts';
import { modelConfigResponse } from '../../../src/oip/messages.ts';
import { weightsParameter } from '../../../src/oip/triton-repository.ts';
import type { EngineModel, EngineVersion } from '../../../src/serving/engine-messages.ts';
import type { EngineLease } from '../../../src/serving/engine-slot.ts';
import { parseTritonAddress } from '../../../src/serving/triton/triton-address.ts';
import { TritonError } from '../../../src/serving/triton/triton-client.ts';
import { TritonEngines } from '../../../src/serving/triton/triton-engines.ts';
import { TritonModels } from '../../../src/serving/triton/triton-models.ts';
import { plainImage, writeColourModel } from '../../colour-model.ts';
import { NAME, type StandIn, startTriton, VERSION } from './stand-in.ts';

let folder: string;
let path: string;
let triton: StandIn;
let version: EngineVersion;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-triton-'));
  path = (await writeColourModel(folder)).onnx;
  triton = await startTriton(path);
  version = { name: NAME, version: VERSION, weightsSha256: triton.weightsSha256 };
});
afterAll(async () => {
  await triton.close();
  await rm(folder, { recursive: true });
});

const log: Record<string, unknown>[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line)) });
/** Engines of this machine, which answer that they were asked. */
const localLease: EngineLease = {
  threads: 1,
  cpuMs: 1,
  run: async () => ({ explanation: { data: Float32Array.of(7), shape: [1, 1, 1] } }),
  release: () => {},
};
const local = { acquire: async () => localLease, concurrency: () => 5, idle: true, unload: async () => {} };

let losses = 0;
let opened: TritonEngines[] = [];
afterEach(() => {
  for (const each of opened) each.close();
  opened = [];
  losses = 0;
  log.length = 0;
});
async function connect(address = triton.address): Promise<TritonEngines> {
  const engines = await TritonEngines.connect({ address, local, logger, onLost: () => void losses++ });
  opened.push(engines);
  return engines;
}

const model = (more: Partial<EngineModel> = {}): EngineModel => ({
  key: 'colours',
  runtime: 'onnx',
  threads: 1,
  path: 'nothing here',
  version,
  ...more,
});
const red = { data: plainImage([255, 0, 0]), shape: [1, 4, 4, 3] };

describe('a model on Triton', () => {
  it('takes batches as its configuration says', async () => {
    const engines = await connect();
    expect((await engines.prepare(version)).maxBatch).toBe(64);
    // One instance, with the next batch on its way.
    expect(engines.concurrency(model())).toBe(2);
  });

  it.each<[string, (given: EngineVersion) => EngineVersion, string]>([
    ['the model', (given) => ({ ...given, name: 'flowers' }), 'npx menagerie export flowers@3 --format triton"'],
    ['the version', (given) => ({ ...given, version: 4 }), 'npx menagerie export colours@4 --format triton"'],
    ['the variant', (given) => ({ ...given, variant: 'int8' }), 'export colours@3 --format triton --variant int8"'],
    ['the weights', (given) => ({ ...given, weightsSha256: 'f'.repeat(64) }), 'other weights under its name'],
  ])('is unavailable when Triton lacks %s, and the error says what to put there', async (_what, changed, told) => {
    const engines = await connect();
    const preparing = engines.prepare(changed(version));
    await expect(preparing).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringContaining(told),
    });
    await expect(preparing).rejects.toThrow(triton.address);
  });
});

describe('what Triton refuses', () => {
  const failing = (code: status, details: string) => {
    const thrown = new TritonError({ code, details }, true);
    return new TritonModels({ address: 'gpu-box:8001', call: () => Promise.reject(thrown) });
  };
  const infer = (models: TritonModels) => models.infer(version, red, ['logits'], 1_000);

  it('tells to export what is not there', async () => {
    for (const code of [status.NOT_FOUND, status.UNAVAILABLE]) {
      await expect(infer(failing(code, 'no available versions'))).rejects.toMatchObject({
        code: 'model_unavailable',
        message: expect.stringMatching(/npx menagerie export.*; where one version in its folder has other classes/),
      });
    }
  });

  it('tells why a batch was not computed, and nothing of an export, which would not help', async () => {
    const refused = infer(failing(status.INTERNAL, 'CUDA out of memory'));
    await expect(refused).rejects.toMatchObject({
      code: 'model_unavailable',
      message: 'Triton at gpu-box:8001 cannot compute version 3 of model "colours": CUDA out of memory',
    });
  });

  it('tells the client to try again where it has too much to do', async () => {
    const busy = infer(failing(status.RESOURCE_EXHAUSTED, 'queue is full'));
    await expect(busy).rejects.toMatchObject({ code: 'queue_full', retryAfter: 1 });
  });
});

describe('a model of which Triton has several versions', () => {
  // Each export brings its `config.pbtxt`, and the last one that was unpacked counts for all.
  const answer = encode(modelConfigResponse, {
    config: { maxBatchSize: 8, parameters: [{ key: weightsParameter(4), value: { text: 'f'.repeat(64) } }] },
  });
  const models = new TritonModels({
    address: 'gpu-box:8001',
    call: async ({ answerType }) => decode(answerType, answer),
  });

  it('is checked against the weights of the version that was exported last', async () => {
    const weightsSha256 = 'f'.repeat(64);
    expect(await models.limits({ ...version, version: 4, weightsSha256 })).toEqual({ instances: 1, maxBatch: 8 });
    await expect(models.limits({ ...version, version: 4 })).rejects.toThrow('other weights under its name');
  });

  it('has the older versions too, of whose weights the configuration says nothing', async () => {
    expect(await models.limits({ ...version, version: 3 })).toEqual({ instances: 1, maxBatch: 8 });
  });
});

describe('a model that is loaded again while a batch is on its way', () => {
  it('gets the place of that batch back', async () => {
    const engines = await connect();
    await engines.prepare(version);
    const leases = [await engines.acquire(model(), 'bulk'), await engines.acquire(model(), 'bulk')];
    await engines.prepare(version);
    for (const lease of leases) lease.release();
    expect(engines.idle).toBe(true);
  });
});

describe('a version that is unloaded', () => {
  const isKnown = (engines: TritonEngines) => {
    try {
      return engines.concurrency(model()) > 0;
    } catch {
      return false;
    }
  };

  it('is forgotten, and prepared again when it is loaded again', async () => {
    const engines = await connect();
    (await engines.prepare(version)).release();
    expect(isKnown(engines)).toBe(false);
    await expect(engines.acquire(model(), 'bulk')).rejects.toThrow('version 3 of model "colours" was not prepared');
    await engines.prepare(version);
    expect(isKnown(engines)).toBe(true);
  });

  it('is known as long as another load of it, or a batch on its way', async () => {
    const engines = await connect();
    const loads = [await engines.prepare(version), await engines.prepare(version)];
    const lease = await engines.acquire(model(), 'bulk');
    for (const { release } of loads) {
      expect(isKnown(engines)).toBe(true);
      release();
    }
    expect([isKnown(engines), engines.idle]).toEqual([true, false]);
    lease.release();
    expect([isKnown(engines), engines.idle]).toEqual([false, true]);
  });
});

describe('what Triton does not compute', () => {
  it('is computed by the engines of this machine: TensorFlow.js and explanations', async () => {
    const engines = await connect();
    await engines.prepare(version);
    expect(engines.concurrency(model({ runtime: 'tfjs' }))).toBe(5);
    expect(await engines.acquire(model({ runtime: 'tfjs' }), 'bulk')).toBe(localLease);
    const lease = await engines.acquire(model(), 'interactive');
    const { explanation } = await lease.run(red, ['probabilities', 'explanation'], [0]);
    expect([...(explanation?.data ?? [])]).toEqual([7]);
    lease.release();
  });
});

describe('a Triton server that goes away', () => {
  it('fails its batches as a lost engine does, is a warning, and is used again when it is back', async () => {
    const first = await startTriton(path);
    const port = Number(first.address.split(':')[1]);
    const engines = await connect(first.address);
    await engines.prepare(version);
    const run = async () => {
      const lease = await engines.acquire(model(), 'interactive');
      try {
        return [...((await lease.run(red, ['logits'])).logits?.data ?? [])];
      } finally {
        lease.release();
      }
    };
    expect(await run()).toEqual([4, 0, 0]);

    await first.close();
    await expect(run()).rejects.toMatchObject({ code: 'engine_lost', status: 503, retryAfter: expect.any(Number) });
    await expect(engines.prepare(version)).rejects.toMatchObject({ code: 'engine_lost' });
    await expect.poll(() => engines.obstacle).toContain(first.address);
    expect(engines.warnings).toEqual([expect.stringContaining('cannot be reached')]);
    expect(losses).toBe(1);

    const second = await startTriton(path, port);
    await expect.poll(() => engines.obstacle).toBeUndefined();
    expect(await run()).toEqual([4, 0, 0]);
    expect(engines.warnings).toEqual([]);
    expect(log.map(({ msg }) => msg)).toEqual(['Triton is lost', 'Triton is back']);
    await second.close();
  });

  it('and was never there is said too', async () => {
    const gone = await startTriton(path);
    await gone.close();
    const engines = await connect(gone.address);
    await expect.poll(() => engines.obstacle).toContain('cannot be reached');
    await expect(engines.prepare(version)).rejects.toMatchObject({ code: 'engine_lost' });
  });
});

describe('the address of Triton', () => {
  it.each([
    ['triton://gpu-box:9001', 'gpu-box:9001'],
    ['triton://gpu-box', 'gpu-box:8001'],
    ['triton://[::1]:8001/', '[::1]:8001'],
    ['http://gpu-box:8001', undefined],
    ['triton://', undefined],
    ['triton://user:secret@gpu-box', undefined],
    ['triton://gpu-box/models', undefined],
    ['gpu-box:8001', undefined],
  ])('in %s is %s', (text, address) => {
    expect(parseTritonAddress(text)).toBe(address);
  });
});
