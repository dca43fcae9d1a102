import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpServer, type HttpServer } from '../../src/http/http-server.ts';
import { ByteBudget } from '../../src/serving/byte-budget.ts';
import { picture } from '../image/pictures.ts';
import {
  CONFIG,
  classify,
  classifyRaw,
  colourClassifier,
  deferred,
  type Line,
  openLine,
  startServer,
  type TestServer,
} from './fixture.ts';

let server: TestServer;
afterEach(() => server.close());

const codeOf = async ({ answer }: Line) => {
  const { status, head, body } = await answer;
  expect(head).toMatch(/content-type: application\/problem\+json/i);
  expect(head).toMatch(/connection: close/i);
  return [status, (body as { code: string }).code];
};

/** Sends one byte after the other for as long as the connection stands. */
async function trickle({ socket, closed }: Line, bytes: string): Promise<void> {
  let at = 0;
  const timer = setInterval(() => socket.write(bytes[at++ % bytes.length] ?? ''), 40);
  await closed;
  clearInterval(timer);
}

describe('slow clients', () => {
  it.each([
    ['a raw body', 'image/jpeg'],
    ['a form', 'multipart/form-data; boundary=x'],
  ])('%s that arrives byte by byte is cut off at the deadline, while others are served', async (_, type) => {
    server = await startServer({ config: { ...CONFIG, requestTimeoutMs: 250 } });
    const line = await openLine(server.port);
    line.socket.write(
      `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 5000\r\n\r\n`,
    );
    const trickled = trickle(line, '--x\r\n');
    const photo = await picture(20, 20, () => [0, 0, 255])
      .jpeg()
      .toBuffer();
    expect((await classifyRaw(server, photo)).status).toBe(200);
    expect(await codeOf(line)).toEqual([408, 'request_timeout']);
    line.socket.end();
    await trickled;
  });

  it.each([
    ['a raw body', 'image/jpeg'],
    ['a form', 'multipart/form-data; boundary=x'],
  ])('%s that makes no progress is cut off long before the deadline', async (_, type) => {
    server = await startServer({ config: { ...CONFIG, requestTimeoutMs: 60_000, stallTimeoutMs: 150 } });
    const line = await openLine(server.port);
    const head = `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 150000\r\n\r\n`;
    line.socket.write(`${head}--x\r\n${'-'.repeat(20_000)}`);
    const trickled = trickle(line, '-');
    expect(await codeOf(line)).toEqual([408, 'request_timeout']);
    expect((await line.answer).body).toMatchObject({ context: { timeout_ms: 150 } });
    line.socket.end();
    await trickled;
  });

  it('a body that arrives slowly, but makes progress, is accepted', async () => {
    server = await startServer({ config: { ...CONFIG, maxImageBytes: 1_000_000, stallTimeoutMs: 2_000 } });
    const photo = await picture(400, 400, (x, y) => [(x * y) % 256, (x * 7) % 256, (y * 13) % 256])
      .png()
      .toBuffer();
    const line = await openLine(server.port);
    const head = `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: ${photo.length}`;
    line.socket.write(`${head}\r\nConnection: close\r\n\r\n`);
    const step = Math.ceil(photo.length / 6);
    for (let sent = 0; sent < photo.length; sent += step) {
      await delay(500);
      line.socket.write(photo.subarray(sent, sent + step));
    }
    expect(step).toBeGreaterThan(8 * 1024);
    expect((await line.answer).status).toBe(200);
    await line.closed;
  });

  it('headers that arrive byte by byte are cut off too', async () => {
    server = await startServer({ config: { ...CONFIG, requestTimeoutMs: 250 } });
    const line = await openLine(server.port);
    const trickled = trickle(line, 'GET / HTTP/1.1\r\nA: ');
    expect(await codeOf(line)).toEqual([408, 'request_timeout']);
    await trickled;
  });
});

it('idle connections are kept longer than clients and proxies keep theirs, so that no request gets a connection that is being closed', async () => {
  server = await startServer();
  const { headers } = await fetch(`${server.url}/v2/health/live`);
  expect(Number(/timeout=(\d+)/.exec(headers.get('keep-alive') ?? '')?.[1])).toBeGreaterThan(60);
});

describe('a client that does not read its answer', () => {
  const MEGABYTE = Buffer.alloc(1024 * 1024, 'a');
  let server: HttpServer['server'];
  afterEach(() => server.closeAllConnections());

  /** A server whose answers are larger than all buffers between it and a client. */
  async function listen() {
    const http = createHttpServer(
      (_request, response) => {
        closed = once(response, 'close');
        response.end(Buffer.concat(Array.from({ length: 40 }, () => MEGABYTE)));
      },
      { ...CONFIG, stallTimeoutMs: 1_000 },
    );
    let closed: Promise<unknown> = Promise.resolve();
    server = http.server;
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await once(server, 'request');
    return { socket, closed: () => closed };
  }

  it('is cut off', async () => {
    const { socket, closed } = await listen();
    await closed();
    socket.destroy();
  });

  it('gets the whole answer when it reads slowly', async () => {
    const { socket } = await listen();
    let received = 0;
    socket.on('data', ({ length }: Buffer) => {
      received += length;
      socket.pause();
      setTimeout(() => socket.resume(), 5);
    });
    await once(socket, 'close');
    expect(received).toBeGreaterThan(40 * MEGABYTE.length);
  });
});

describe('a malformed request', () => {
  it('that is not HTTP is refused', async () => {
    server = await startServer();
    const line = await openLine(server.port);
    line.socket.write('HELLO\r\n\r\n');
    expect(await codeOf(line)).toEqual([400, 'malformed_request']);
    await line.closed;
  });

  it('with too long headers is refused', async () => {
    server = await startServer();
    const line = await openLine(server.port);
    line.socket.write(`GET / HTTP/1.1\r\nA: ${'a'.repeat(100_000)}\r\n\r\n`);
    expect(await codeOf(line)).toEqual([431, 'headers_too_large']);
    await line.closed;
  });
});

it('a client that still sends too long headers gets the answer, and no reset', async () => {
  server = await startServer();
  // It sends on although the server has said that it is done.
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  let received = '';
  socket.on('data', (data) => {
    received += data;
  });
  socket.write(`GET / HTTP/1.1\r\nA: ${'a'.repeat(100_000)}`);
  await once(socket, 'end');
  for (let i = 0; i < 20; i++) {
    socket.write('a'.repeat(100_000));
    await delay(5);
  }
  socket.end();
  await once(socket, 'close');
  expect(received).toMatch(/^HTTP\/1\.1 431 /);
});

it('an unknown expectation is ignored', async () => {
  server = await startServer();
  const line = await openLine(server.port);
  line.socket.write('GET /nowhere HTTP/1.1\r\nHost: localhost\r\nExpect: the-best\r\nConnection: close\r\n\r\n');
  expect(await codeOf(line)).toEqual([404, 'route_not_found']);
});

describe('bodies over the limit', () => {
  const head = (rest: string) =>
    `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n${rest}\r\n\r\n`;

  it('are refused at once when they have a Content-Length', async () => {
    server = await startServer();
    const line = await openLine(server.port);
    line.socket.write(head('Content-Length: 1000000000'));
    expect(await codeOf(line)).toEqual([413, 'body_too_large']);
    line.socket.end();
    await line.closed;
    // The body that never came is not complained of as well.
    expect(line.received().match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('are refused before they are sent when the client expects 100 Continue', async () => {
    server = await startServer();
    const line = await openLine(server.port);
    line.socket.write(head('Content-Length: 1000000000\r\nExpect: 100-continue'));
    expect(await codeOf(line)).toEqual([413, 'body_too_large']);
    line.socket.end();
    await line.closed;
  });

  it.each(['image/jpeg', 'multipart/form-data; boundary=x'])(
    'are refused on the way when it is not (%s), and the client can read why while it still sends',
    async (type) => {
      server = await startServer();
      const line = await openLine(server.port);
      line.socket.write(head('Transfer-Encoding: chunked').replace('image/jpeg', type));
      if (type !== 'image/jpeg') {
        const part = '--x\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n';
        line.socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
      }
      const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`;
      let sent = 0;
      const timer = setInterval(() => {
        line.socket.write(chunk);
        sent += 65_536;
      }, 1);
      expect(await codeOf(line)).toEqual([413, 'body_too_large']);
      expect(sent).toBeLessThan(50 * CONFIG.maxBodyBytes);
      // It never stops sending: the connection is cut all the same.
      await line.closed;
      clearInterval(timer);
    },
  );

  it('a client that is refused may continue to send, and gets no reset', async () => {
    server = await startServer();
    const { socket, answer, closed } = await openLine(server.port);
    const length = 30 * 100_000;
    socket.write(head(`Content-Length: ${length}`));
    for (let sent = 0; sent < length; sent += 100_000) {
      expect(socket.writable).toBe(true);
      socket.write(Buffer.alloc(100_000));
      await delay(20);
    }
    expect((await answer).status).toBe(413);
    await closed;
  });

  it('a body within the limit is requested with 100 Continue', async () => {
    server = await startServer();
    const photo = await picture(20, 20, () => [255, 0, 0])
      .jpeg()
      .toBuffer();
    const line = await openLine(server.port);
    const invited = new Promise<string>((resolve) => line.socket.once('data', (data) => resolve(data.toString())));
    line.socket.write(head(`Content-Length: ${photo.length}\r\nExpect: 100-continue\r\nConnection: close`));
    expect(await invited).toMatch(/^HTTP\/1.1 100 Continue/);
    line.socket.write(photo);
    expect((await line.answer).status).toBe(200);
    await line.closed;
  });
});

describe('memory of bodies in flight', () => {
  const LENGTH = 100_000;
  const head = (length: number | undefined, type = 'image/jpeg', path = '/classify') =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n` +
    `${length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\n\r\n`;
  const start = () => startServer({ bodyBudget: new ByteBudget(2.5 * LENGTH) });
  const opened = async (...asked: Parameters<typeof head>) => {
    const line = await openLine(server.port);
    line.socket.write(head(...asked));
    return line;
  };

  it.each([
    ['an image', 'image/jpeg', '/classify'],
    ['a form', 'multipart/form-data; boundary=x', '/explain'],
    ['a tensor', 'application/octet-stream', '/v2/models/tiny.test/infer'],
  ])('is limited: %s that exceeds it is refused before it is read', async (_, type, path) => {
    server = await start();
    const lines = [await opened(LENGTH), await opened(LENGTH)];
    await expect.poll(async () => codeOf(await opened(LENGTH, type, path))).toEqual([429, 'queue_full']);
    const refused = await opened(LENGTH, type, path);
    expect((await refused.answer).head).toMatch(/retry-after: 1\r\n/i);
    for (const { socket } of [...lines, refused]) socket.destroy();
  });

  it('counts bodies without Content-Length as they arrive', async () => {
    server = await start();
    const lines = [await opened(LENGTH), await opened(LENGTH)];
    const growing = await opened(undefined);
    const timer = setInterval(() => growing.socket.write(`4000\r\n${'a'.repeat(0x4000)}\r\n`), 5);
    expect(await codeOf(growing)).toEqual([429, 'queue_full']);
    clearInterval(timer);
    for (const { socket } of [...lines, growing]) socket.destroy();
  });

  it('is freed when a request is answered, and when its client leaves', async () => {
    server = await start();
    const photo = await picture(20, 20, () => [0, 0, 255])
      .jpeg()
      .toBuffer();
    for (let i = 0; i < 5; i++) {
      const { socket } = await opened(2 * LENGTH);
      await expect.poll(async () => (await classifyRaw(server, Buffer.alloc(LENGTH))).status).toBe(429);
      socket.destroy();
      await expect.poll(async () => (await classifyRaw(server, photo)).status).toBe(200);
    }
  });

  it('admits a body of any size on an idle server', async () => {
    server = await startServer({ bodyBudget: new ByteBudget(1) });
    const photo = await picture(20, 20, () => [0, 0, 255])
      .jpeg()
      .toBuffer();
    expect((await classifyRaw(server, photo)).status).toBe(200);
  });
});

it('many images that listen to one client print no warning', async () => {
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on('warning', listener);
  server = await startServer({
    classifier: {
      classify: (request) => {
        for (const _ of request.images) request.signal.addEventListener('abort', () => undefined);
        return colourClassifier.classify(request);
      },
    },
  });
  const photo = await picture(8, 8, () => [255, 0, 0])
    .jpeg()
    .toBuffer();
  const images = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}.jpg`, photo]));
  expect((await classify(server, images)).status).toBe(200);
  process.off('warning', listener);
  expect(warnings).toEqual([]);
});

describe('drain', () => {
  it('answers requests in flight, closes their connections and accepts no more', async () => {
    const { promise: released, resolve: release } = deferred<void>();
    const { promise: started, resolve: start } = deferred<void>();
    server = await startServer({
      classifier: {
        classify: async (request) => {
          start();
          await released;
          return colourClassifier.classify(request);
        },
      },
    });
    const photo = await picture(20, 20, () => [255, 0, 0])
      .jpeg()
      .toBuffer();
    const pending = classifyRaw(server, photo);
    await started;
    const drained = server.http.drain(10_000);
    await expect(fetch(`${server.url}/models`)).rejects.toThrow();
    release();
    const { status, headers } = await pending;
    expect([status, headers.get('connection')]).toEqual([200, 'close']);
    await drained;
  });

  it('ends connections that are not done in time', async () => {
    const started = deferred<void>();
    server = await startServer({
      classifier: {
        classify: () => {
          started.resolve();
          return new Promise(() => {});
        },
      },
    });
    const photo = await picture(20, 20, () => [255, 0, 0])
      .jpeg()
      .toBuffer();
    const pending = classifyRaw(server, photo);
    pending.catch(() => {});
    await started.promise;
    await server.http.drain(50);
    await expect(pending).rejects.toThrow();
  });
});
