import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TcpLink } from './tcp-link.ts';

/** A service that answers what it is told. */
let echo: Server;
let link: TcpLink;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  link = await TcpLink.listen((echo.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await link.close();
  echo.close();
});

function join(): Socket {
  const socket = connect(link.port, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

test('an open link passes bytes on in both directions, and the end of a connection', async () => {
  const socket = join();
  socket.end('hello');
  const pieces = await socket.toArray();
  expect(Buffer.concat(pieces).toString()).toBe('hello');
});

test.each(['open', 'slow'] as const)('a paused link keeps what comes until it is %s', async (after) => {
  const socket = join();
  socket.write('one');
  expect(String((await once(socket, 'data'))[0])).toBe('one');
  link.set('paused');
  const late = join();
  late.write('three');
  socket.write('two');
  let heard = false;
  for (const each of [socket, late]) each.once('data', () => (heard = true));
  for (let turn = 0; turn < 50; turn += 1) await nextTurn();
  expect(heard).toBe(false);
  const both = Promise.all([once(socket, 'data'), once(late, 'data')]);
  link.set(after);
  expect((await both).map(([piece]) => String(piece))).toEqual(['two', 'three']);
});

test('a cut link breaks connections and takes none until it is open', async () => {
  const socket = join();
  socket.write('one');
  await once(socket, 'data');
  const broken = once(socket, 'close');
  link.set('cut');
  await broken;
  await once(join(), 'close');
  link.set('open');
  const next = join();
  next.write('again');
  expect(String((await once(next, 'data'))[0])).toBe('again');
});
