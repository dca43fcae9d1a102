import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, encode } from '../../src/common/protobuf.ts';
import type { GrpcDependencies } from '../../src/grpc/grpc-server.ts';
import { HEALTH_WATCH } from '../../src/grpc/health.ts';
import {
  HEALTH_SERVICE,
  HEALTH_STATUS,
  healthRequest,
  healthResponse,
  INFERENCE_SERVICE,
  liveness,
  readiness,
} from '../../src/oip/messages.ts';
import { completed } from '../http/fixture.ts';
import { startGrpc, type TestGrpc } from './fixture.ts';

let server: TestGrpc;
let ready = true;
beforeAll(async () => {
  const { inference, control }: Pick<GrpcDependencies, 'inference' | 'control'> = completed({});
  server = await startGrpc({
    inference,
    control,
    readiness: () => (ready ? { ready } : { ready: false, reason: 'it is being loaded' }),
  });
});
afterAll(() => server.close());

const check = async (service: string) => {
  const { status, message } = await server.ask(`/${HEALTH_SERVICE}/Check`, healthRequest, { service });
  return status === 'OK' ? decode(healthResponse, message).status : status;
};

describe('health', () => {
  it('is that of the default model, for the server and its service', async () => {
    for (const service of ['', INFERENCE_SERVICE]) {
      ready = true;
      expect(await check(service)).toBe(HEALTH_STATUS.serving);
      ready = false;
      expect(await check(service)).toBe(HEALTH_STATUS.notServing);
    }
    expect(await check('another.Service')).toBe('NOT_FOUND');
  });

  it('is also what ServerReady tells; ServerLive is true all the same', async () => {
    ready = false;
    expect(decode(readiness, (await server.send('ServerReady', new Uint8Array())).message)).toEqual({ ready: false });
    expect(decode(liveness, (await server.send('ServerLive', new Uint8Array())).message)).toEqual({ live: true });
  });

  it('is told again when it changes, to who watches it', async () => {
    ready = false;
    const client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
    const asIs = (message: Buffer) => message;
    const request = Buffer.from(encode(healthRequest, {}));
    const call = client.makeServerStreamRequest(HEALTH_WATCH.path, asIs, asIs, request);
    call.on('error', () => {});
    const told: unknown[] = [];
    for await (const message of call) {
      told.push(decode(healthResponse, message).status);
      if (told.length === 2) break;
      ready = true;
    }
    client.close();
    expect(told).toEqual([HEALTH_STATUS.notServing, HEALTH_STATUS.serving]);
  });
});
