import { once } from 'node:events';
import { connect } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import type { GrpcDependencies } from '../../src/grpc/grpc-server.ts';
import { INFERENCE_SERVICE } from '../../src/oip/messages.ts';
import { CONFIG, completed } from '../http/fixture.ts';
import { startGrpc, type TestGrpc } from './fixture.ts';

let server: TestGrpc;
afterEach(() => server.close());
const start = async () => {
  const { inference, control }: Pick<GrpcDependencies, 'inference' | 'control'> = completed({});
  server = await startGrpc({ inference, control, config: { ...CONFIG, trustProxy: 1 } });
};
const requests = () => server.log.filter(({ msg }) => msg === 'request');

describe('what reaches no method is counted, and logged as a request of HTTP is', () => {
  it('a call of a method that does not exist', async () => {
    await start();
    await server.send('ServerLive', new Uint8Array());
    const path = `/${INFERENCE_SERVICE}/ModelStreamInfer`;
    const metadata = { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`, 'x-forwarded-for': '203.0.113.7' };
    expect((await server.send(path, new Uint8Array(), { metadata })).status).toBe('UNIMPLEMENTED');
    // Under one name, since clients choose the paths.
    await expect.poll(() => server.counted).toEqual(['ServerLive 200', 'none 404']);
    const line = requests().at(-1);
    expect(line).toMatchObject({ level: 30, path, status: 404, client: '203.0.113.7', traceId: '1'.repeat(32) });
  });

  it.each([`/${INFERENCE_SERVICE}/ServerLive`, '/classify'])(
    'a request for %s that is no call of gRPC',
    async (path) => {
      await start();
      const session = connect(`http://127.0.0.1:${server.port}`);
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' });
      const [headers] = await once(stream, 'response');
      stream.end().resume();
      session.close();
      expect(headers[':status']).toBe(415);
      await expect.poll(() => server.counted).toEqual(['none 415']);
      expect(requests()).toMatchObject([{ path, status: 415, client: '127.0.0.1' }]);
    },
  );
});
