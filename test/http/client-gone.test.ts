import { once } from 'node:events';
import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ClientGone, clientSignal } from '../../src/http/client-gone.ts';

/** The response to a request that waits for its answer, and how its client leaves. */
async function openRequest(): Promise<{ response: ServerResponse; hangUp: () => Promise<void> }> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const sent = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  sent.on('error', () => undefined);
  sent.end();
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  const hangUp = async () => {
    sent.destroy();
    await once(response, 'close');
  };
  return { response, hangUp };
}

test('the signal is aborted when the client leaves', async () => {
  const { response, hangUp } = await openRequest();
  const signal = clientSignal(response);
  expect(signal.aborted).toBe(false);
  await hangUp();
  expect(signal.reason).toBeInstanceOf(ClientGone);
});

test('the signal is aborted from the start when the client has left already', async () => {
  const { response, hangUp } = await openRequest();
  await hangUp();
  expect(clientSignal(response).reason).toBeInstanceOf(ClientGone);
});

test('the signal is not aborted by an answer that is complete', async () => {
  const { response } = await openRequest();
  const signal = clientSignal(response);
  response.end('done');
  await once(response, 'close');
  expect(signal.aborted).toBe(false);
});
