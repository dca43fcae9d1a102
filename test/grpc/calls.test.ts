import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { gzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { Access } from '../../src/access/access.ts';
import { createKey } from '../../src/access/api-key.ts';
import { RateLimit } from '../../src/access/rate-limit.ts';
import { includesScope, SCOPES } from '../../src/access/scope.ts';
import { encode } from '../../src/common/protobuf.ts';
import type { GrpcDependencies } from '../../src/grpc/grpc-server.ts';
import { inferenceMethods } from '../../src/grpc/inference-methods.ts';
import { scopeOf } from '../../src/http/access/route-scopes.ts';
import { INFERENCE_SERVICE, inferenceRequest, modelReference, repositoryRequest } from '../../src/oip/messages.ts';
import { ByteBudget } from '../../src/serving/byte-budget.ts';
import { CONFIG, completed, deferred } from '../http/fixture.ts';
import { firstPixelInference, IMAGE, MODEL } from '../protocol/first-pixel-inference.ts';
import { type CallOptions, startGrpc, type TestGrpc } from './fixture.ts';

/** What becomes of a call before and after its message is read. */
const control: GrpcDependencies['control'] = {
  state: () => ({ state: 'READY', reason: '' }),
  index: () => [],
  load: async () => ({ name: MODEL, state: 'READY', reason: '' }),
  unload: async () => ({ name: MODEL, state: 'UNAVAILABLE', reason: '' }),
};
const { inference } = await firstPixelInference();

const running: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of running.splice(0)) await close();
});
async function start(services: Partial<GrpcDependencies> = {}): Promise<TestGrpc> {
  const server = await startGrpc({ inference, control, ...services });
  running.push(() => server.close());
  return server;
}

const message = {
  model: MODEL,
  inputs: [{ name: 'pixels', datatype: 'UINT8', shape: [1, 64, 64, 3] }],
  outputs: [{ name: 'logits' }],
  raw: [new Uint8Array(IMAGE)],
};
const infer = (server: TestGrpc, options?: CallOptions) => server.ask('ModelInfer', inferenceRequest, message, options);

/** A call whose bytes a test sends by hand. */
function openCall(
  server: TestGrpc,
  headers: OutgoingHttpHeaders = {},
): { stream: ClientHttp2Stream; answered: Promise<Record<string, unknown>> } {
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${server.port}`);
  running.unshift(async () => session.destroy());
  session.on('error', () => {});
  const stream = session.request({
    ':method': 'POST',
    ':path': `/${INFERENCE_SERVICE}/ModelInfer`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => {});
  const answered = new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve));
  return { stream, answered };
}

/** The bytes that precede a message of a length. */
function prefix(length: number, isCompressed = false): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = Number(isCompressed);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

describe('keys', () => {
  const made = {
    classify: createKey('camera', 'classify'),
    teach: createKey('laptop', 'teach'),
    admin: createKey('root', 'admin'),
  };
  const ring = {
    everHadKeys: true,
    find: (text: string) => Object.values(made).find(({ key }) => key === text)?.stored,
  };
  const access = new Access(ring, { allowAnonymous: 'none', isLocal: true });
  const methods = inferenceMethods(completed({ config: CONFIG }));
  const ask = (server: TestGrpc, path: string, metadata: Record<string, string>) =>
    server.ask(path, modelReference, { name: MODEL }, { metadata });

  it('are asked for as those of HTTP are, with the same scopes', async () => {
    const server = await start({ access });
    for (const { path, scope } of methods) {
      const { status, code } = await ask(server, path, {});
      expect([status === 'UNAUTHENTICATED', code === 'key_missing'], path).toEqual([
        scope !== 'open',
        scope !== 'open',
      ]);
      for (const held of SCOPES) {
        const answer = await ask(server, path, { authorization: `Bearer ${made[held].key}` });
        const isAllowed = scope === 'open' || includesScope(held, scope);
        expect(answer.status === 'PERMISSION_DENIED', `${path} with ${held}`).toBe(!isAllowed);
      }
    }
  });

  it.each([
    ['ServerLive', 'get', '/v2/health/live'],
    ['ServerReady', 'get', '/v2/health/ready'],
    ['ServerMetadata', 'get', '/v2'],
    ['ModelReady', 'get', '/v2/models/{id}/ready'],
    ['ModelMetadata', 'get', '/v2/models/{id}'],
    ['ModelConfig', 'get', '/v2/models/{id}/config'],
    ['ModelStatistics', 'get', '/v2/models/{id}/stats'],
    ['ModelInfer', 'post', '/v2/models/{id}/infer'],
    ['RepositoryIndex', 'post', '/v2/repository/index'],
    ['RepositoryModelLoad', 'post', '/v2/repository/models/{id}/load'],
    ['RepositoryModelUnload', 'post', '/v2/repository/models/{id}/unload'],
  ])('%s needs what %s %s needs', (name, method, path) => {
    expect(methods.find((each) => each.path.endsWith(`/${name}`))?.scope).toBe(scopeOf({ method, path }));
  });

  it('may be in x-api-key; a wrong one is refused, and one that a proxy forwards for others is asked for', async () => {
    const server = await start({ access });
    expect((await infer(server, { metadata: { 'x-api-key': made.classify.key } })).status).toBe('OK');
    expect(await infer(server, { metadata: { authorization: 'Bearer mng_wrong' } })).toMatchObject({
      status: 'UNAUTHENTICATED',
      code: 'key_invalid',
    });
    const open = await start();
    expect((await infer(open)).status).toBe('OK');
    expect((await infer(open, { metadata: { 'x-forwarded-for': '203.0.113.7' } })).code).toBe('key_missing');
  });

  it('may send so many requests a minute', async () => {
    const server = await start({ access, rateLimit: new RateLimit(1) });
    const metadata = { authorization: `Bearer ${made.classify.key}` };
    expect((await infer(server, { metadata })).status).toBe('OK');
    const { status, code, trailers } = await infer(server, { metadata });
    expect([status, code]).toEqual(['RESOURCE_EXHAUSTED', 'rate_limited']);
    expect(Number(trailers['retry-after'])).toBeGreaterThan(0);
  });

  it.each([
    ['its connection', 0, '203.0.113.7', '127.0.0.1'],
    ['the address that a trusted proxy says', 1, '198.51.100.9, 203.0.113.7', '203.0.113.7'],
    ['the one before it, of two proxies', 2, '192.0.2.1, 198.51.100.9, 203.0.113.7', '198.51.100.9'],
    ['its connection, where a trusted proxy says nothing', 1, '', '127.0.0.1'],
  ])('belong to a client that is known by %s', async (_what, trustProxy, forwarded, address) => {
    const counted: string[] = [];
    const server = await start({
      access,
      config: { ...CONFIG, trustProxy },
      rateLimit: { count: (_client, from) => void counted.push(from) },
    });
    const metadata = { 'x-api-key': made.classify.key, ...(forwarded && { 'x-forwarded-for': forwarded }) };
    expect((await infer(server, { metadata })).status).toBe('OK');
    expect(counted).toEqual([address]);
    expect(server.log.find(({ msg }) => msg === 'request')).toMatchObject({ client: address });
  });

  it('are in the audit log, by name, with what they changed or tried to', async () => {
    const server = await start({ access });
    for (const held of ['admin', 'classify'] as const) {
      const metadata = { authorization: `Bearer ${made[held].key}` };
      await server.ask('RepositoryModelLoad', repositoryRequest, { model: MODEL }, { metadata });
    }
    const lines = server.log.filter(({ audit }) => audit === true);
    expect(
      lines.map(({ key, action, subject, status }) => [(key as { name: string }).name, action, subject, status]),
    ).toEqual([
      ['root', `gRPC /${INFERENCE_SERVICE}/RepositoryModelLoad`, { model: MODEL }, 200],
      ['camera', `gRPC /${INFERENCE_SERVICE}/RepositoryModelLoad`, undefined, 403],
    ]);
    expect(JSON.stringify(server.log)).not.toContain(made.admin.key);
  });
});

describe('a message', () => {
  it('over the limit is refused when its length has come', async () => {
    const server = await start({ config: { ...CONFIG, maxBodyBytes: 50_000 } });
    const { stream, answered } = openCall(server);
    stream.write(prefix(50_001));
    expect(await answered).toMatchObject({ 'grpc-status': '3', 'error-code': 'body_too_large' });
    const whole = await server.ask('ModelInfer', inferenceRequest, { ...message, raw: [new Uint8Array(50_001)] });
    expect([whole.status, whole.code]).toEqual(['INVALID_ARGUMENT', 'body_too_large']);
  });

  it('is refused while messages take all the memory that they may, which is given back', async () => {
    const bodyBudget = new ByteBudget(20_000);
    const server = await start({ bodyBudget });
    const { stream } = openCall(server);
    stream.write(prefix(15_000));
    await expect.poll(() => bodyBudget.reserved).toBe(15_000);
    expect(await infer(server)).toMatchObject({ status: 'RESOURCE_EXHAUSTED', code: 'queue_full' });
    stream.close();
    await expect.poll(() => bodyBudget.reserved).toBe(0);
    expect((await infer(server)).status).toBe('OK');
    await expect.poll(() => bodyBudget.reserved).toBe(0);
  });

  it('counts with the bytes that it has when it is decompressed', async () => {
    const bodyBudget = new ByteBudget(10_000);
    const server = await start({ bodyBudget });
    openCall(server).stream.write(prefix(1));
    await expect.poll(() => bodyBudget.reserved).toBe(1);
    expect(await infer(server, { gzip: true })).toMatchObject({ status: 'RESOURCE_EXHAUSTED', code: 'queue_full' });
  });

  it.each([
    ['in time', { requestTimeoutMs: 100, stallTimeoutMs: 10_000 }, 'did not arrive in 100 ms'],
    ['at a steady pace', { requestTimeoutMs: 10_000, stallTimeoutMs: 100 }, 'arrived in the last 100 ms'],
  ])('must arrive %s', async (_how, times, told) => {
    const bodyBudget = new ByteBudget(1_000_000);
    const server = await start({ bodyBudget, config: { ...CONFIG, ...times } });
    const { stream, answered } = openCall(server);
    stream.write(Buffer.concat([prefix(1_000), Buffer.alloc(10)]));
    const answer = await answered;
    expect(answer).toMatchObject({ 'grpc-status': '4', 'error-code': 'request_timeout' });
    expect(decodeURI(String(answer['grpc-message']))).toContain(told);
    await expect.poll(() => bodyBudget.reserved).toBe(0);
  });

  it('of any bytes is answered with a result or an error of the client', async () => {
    const server = await start();
    const whole = encode(inferenceRequest, message);
    for (let seed = 1; seed <= 60; seed += 1) {
      const damaged = Uint8Array.from(whole.subarray(0, (seed * 7919) % 200));
      damaged[(seed * 31) % 60] = (seed * 97) % 256;
      const { status } = await server.send('ModelInfer', damaged);
      expect(status).toMatch(/^(?:OK|INVALID_ARGUMENT|NOT_FOUND)$/);
    }
  });
});

describe('a call that the library refuses', () => {
  const compressed = (bytes: Buffer) => Buffer.concat([prefix(bytes.length, true), bytes]);
  const gzip = { 'grpc-encoding': 'gzip' };
  it.each<[string, OutgoingHttpHeaders, Buffer, grpc.status, number]>([
    [
      'a message that is too large when it is decompressed',
      gzip,
      compressed(gzipSync(Buffer.alloc(50_001))),
      grpc.status.RESOURCE_EXHAUSTED,
      413,
    ],
    ['a message that cannot be decompressed', gzip, compressed(Buffer.from('text')), grpc.status.INTERNAL, 400],
    [
      'a message that is compressed in an unknown way',
      { 'grpc-encoding': 'br' },
      compressed(Buffer.alloc(9)),
      grpc.status.UNIMPLEMENTED,
      400,
    ],
    ['no message', {}, Buffer.alloc(0), grpc.status.UNIMPLEMENTED, 400],
    ['two messages', {}, Buffer.concat([prefix(0), prefix(0)]), grpc.status.UNIMPLEMENTED, 400],
    ['a deadline that is no time', { 'grpc-timeout': 'soon' }, prefix(0), grpc.status.INTERNAL, 400],
  ])('for %s is counted and logged as an error of the client, who is still there', async (...given) => {
    const [, headers, bytes, expected, status] = given;
    const server = await start({ config: { ...CONFIG, maxBodyBytes: 50_000 } });
    const { stream, answered } = openCall(server, headers);
    stream.end(bytes);
    expect(Number((await answered)['grpc-status'])).toBe(expected);
    await expect.poll(() => server.counted).toEqual([`ModelInfer ${status}`]);
    expect(server.log.filter(({ msg }) => msg === 'request')).toMatchObject([{ status }]);
  });
});

describe('waiting work', () => {
  it.each([
    ['is cancelled', { signal: true }, 'CANCELLED'],
    ['reaches its deadline', { deadlineMs: 100 }, 'DEADLINE_EXCEEDED'],
  ])('is dropped when a call %s', async (_when, how, expected) => {
    const waits = deferred<void>();
    const dropped = deferred<unknown>();
    const { inference: slow } = await firstPixelInference(
      ({ signal }) =>
        new Promise((_, reject) => {
          waits.resolve();
          signal?.addEventListener('abort', () => {
            dropped.resolve(signal.reason);
            reject(signal.reason);
          });
        }),
    );
    const server = await start({ inference: slow });
    const controller = new AbortController();
    const answer = infer(server, 'signal' in how ? { signal: controller.signal } : how);
    await waits.promise;
    controller.abort();
    expect((await answer).status).toBe(expected);
    expect(await dropped.promise).toMatchObject({ name: 'CallCancelled' });
    await expect.poll(() => server.counted).toEqual(['ModelInfer 499']);
    expect(server.log.filter(({ level }) => Number(level) > 30)).toEqual([]);
  });
});

describe('a server that shuts down', () => {
  it('finishes the calls in flight, and takes no new ones', async () => {
    const [waits, go] = [deferred<void>(), deferred<void>()];
    const { inference: slow } = await firstPixelInference(async () => {
      waits.resolve();
      await go.promise;
    });
    let isShuttingDown = false;
    const server = await start({ inference: slow, isShuttingDown: () => isShuttingDown });
    const inFlight = infer(server);
    await waits.promise;
    isShuttingDown = true;
    expect(await infer(server)).toMatchObject({ status: 'UNAVAILABLE', code: 'shutting_down' });
    const drained = server.server.drain(60_000);
    go.resolve();
    expect((await inFlight).status).toBe('OK');
    await drained;
    expect((await infer(server)).status).toBe('UNAVAILABLE');
  });

  it('cuts off what takes longer than it may', async () => {
    const waits = deferred<void>();
    const { inference: endless } = await firstPixelInference(() => {
      waits.resolve();
      return new Promise(() => {});
    });
    const server = await start({ inference: endless });
    const inFlight = infer(server);
    await waits.promise;
    await server.server.drain(10);
    expect((await inFlight).status).not.toBe('OK');
  });
});

describe('the log', () => {
  it('has a line for each call, which is counted', async () => {
    const server = await start();
    const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
    await infer(server, { metadata: { traceparent } });
    await server.ask('ModelMetadata', modelReference, { name: 'nobody' });
    await server.send('ServerLive', new Uint8Array());
    expect(server.counted).toEqual(['ModelInfer 200', 'ModelMetadata 404', 'ServerLive 200']);
    const [line] = server.log.filter(({ msg }) => msg === 'request');
    expect(line).toMatchObject({
      traceId: '1'.repeat(32),
      client: '127.0.0.1',
      method: 'gRPC',
      path: `/${INFERENCE_SERVICE}/ModelInfer`,
      model: `${MODEL}@1`,
      images: 1,
      status: 200,
    });
    expect(Number(line?.['receivedBytes'])).toBeGreaterThan(IMAGE);
  });

  it('says why a call failed that was not the fault of the client, who is not told', async () => {
    const broken = { ...inference, infer: () => Promise.reject(new Error('secret')) };
    const server = await start({ inference: { describe: inference.describe, ...broken } });
    const { status, code, detail, trailers } = await infer(server);
    expect([status, code]).toEqual(['INTERNAL', 'internal']);
    expect(detail).not.toContain('secret');
    const [fault] = server.log.filter(({ level }) => level === 50);
    expect(fault).toMatchObject({ requestId: trailers['request-id'], err: { message: 'secret' } });
  });
});
