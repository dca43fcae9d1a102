import { afterEach, describe, expect, it } from 'vitest';
import { picture } from '../image/pictures.ts';
import {
  CONFIG,
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
  ])('%s that comes byte by byte is cut off at the deadline, and others are served meanwhile', async (_, type) => {
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

  it('a head that comes byte by byte is cut off too', async () => {
    server = await startServer({ config: { ...CONFIG, requestTimeoutMs: 250 } });
    const line = await openLine(server.port);
    const trickled = trickle(line, 'GET / HTTP/1.1\r\nA: ');
    expect(await codeOf(line)).toEqual([408, 'request_timeout']);
    await trickled;
  });
});

describe('what is no HTTP', () => {
  it('is told so', async () => {
    server = await startServer();
    const line = await openLine(server.port);
    line.socket.write('HELLO\r\n\r\n');
    expect(await codeOf(line)).toEqual([400, 'malformed_request']);
    await line.closed;
  });

  it('has a head of endless length', async () => {
    server = await startServer();
    const line = await openLine(server.port);
    line.socket.write(`GET / HTTP/1.1\r\nA: ${'a'.repeat(100_000)}\r\n\r\n`);
    expect(await codeOf(line)).toEqual([431, 'headers_too_large']);
    await line.closed;
  });
});

describe('bodies over the limit', () => {
  const head = (rest: string) =>
    `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n${rest}\r\n\r\n`;

  it('are refused at once when their length is announced', async () => {
    server = await startServer();
    const line = await openLine(server.port);
    line.socket.write(head('Content-Length: 1000000000'));
    expect(await codeOf(line)).toEqual([413, 'body_too_large']);
    line.socket.end();
    await line.closed;
    // The body that never came is not complained of as well.
    expect(line.received().match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('are refused before they are sent when the client asks', async () => {
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

  it('a body that is welcome is asked for', async () => {
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

describe('drain', () => {
  it('lets what is in flight be answered, closes its connection and takes no more', async () => {
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

  it('cuts what does not end in time', async () => {
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
