import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { FrameReader, sendFrame } from '../../src/serving/engine-frames.ts';
import type { EngineReply, EngineRequest } from '../../src/serving/engine-messages.ts';

type Message = EngineRequest | EngineReply;

const run: EngineRequest = {
  type: 'run',
  id: 7,
  key: 'flowers',
  pixels: { data: Uint8Array.from({ length: 15 }, (_, index) => index), shape: [5, 1, 1, 3] },
  outputs: ['logits', 'features'],
  classes: [1, undefined],
};
const ran: EngineReply = {
  type: 'ran',
  id: 7,
  outputs: {
    logits: { data: Float32Array.of(0.5, -1, Number.NaN), shape: [1, 3] },
    features: { data: new Float32Array(0), shape: [1, 0] },
  },
  cpuMs: 1.5,
  rss: 1_000_000,
};
const unload: EngineRequest = { type: 'unload', id: 8, key: 'flowers' };

/** The bytes that messages become. */
function bytesOf(messages: readonly Message[]): Buffer {
  const pipe = new PassThrough({ highWaterMark: 1_000_000 });
  for (const message of messages) {
    sendFrame(pipe, message, (error) => {
      throw error;
    });
  }
  return pipe.read() as Buffer;
}

/** The messages in bytes that arrive in pieces. */
function messagesIn(bytes: Buffer, pieceLength: number): Message[] {
  const messages: Message[] = [];
  const reader = new FrameReader<Message>((message) => messages.push(message));
  for (let offset = 0; offset < bytes.length; offset += pieceLength) {
    reader.push(bytes.subarray(offset, offset + pieceLength));
  }
  return messages;
}

describe('messages between server and engine', () => {
  it.each([1, 3, 8, 64, 1_000_000])('arrive as they were sent, in order, in pieces of %i bytes', (length) => {
    expect(messagesIn(bytesOf([run, ran, unload, run]), length)).toEqual([run, ran, unload, run]);
  });

  it('have arrays of a part of a larger one', () => {
    const pixels = { data: new Uint8Array(100).fill(3, 10, 13).subarray(10, 13), shape: [1, 1, 1, 3] };
    expect(messagesIn(bytesOf([{ ...run, pixels }]), 16)).toMatchObject([{ pixels: { data: Uint8Array.of(3, 3, 3) } }]);
  });

  it('say when the other process cannot be reached', async () => {
    const pipe = new PassThrough();
    pipe.on('error', () => undefined);
    pipe.destroy();
    const error = await new Promise<Error>((resolve) => sendFrame(pipe, unload, resolve));
    expect(error.message).toMatch(/destroyed/);
  });
});
