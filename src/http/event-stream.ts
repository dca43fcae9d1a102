import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../common/json.ts';

/** An event as a browser's `EventSource` reads it. */
export interface StreamedEvent {
  readonly id: number;
  readonly event: string;
  readonly data: JsonObject;
}

/** Milliseconds of silence after which a comment shows proxies and clients that the stream lives. */
export const HEARTBEAT_MS = 15_000;
/** Milliseconds after which a client whose connection broke asks again. */
const RETRY_MS = 2_000;

/**
 * Sends events as they come, as fast as the client reads them, and ends with the last one.
 * @param signal ends the stream when the client has left
 */
export async function sendEvents(
  response: ServerResponse,
  events: AsyncIterable<StreamedEvent>,
  signal: AbortSignal,
): Promise<void> {
  response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  // The next answer on the connection might be long in coming: a server that stops must not wait for it.
  response.setHeader('Connection', 'close');
  // Proxies that collect answers before they pass them on would hold the events back.
  response.setHeader('X-Accel-Buffering', 'no');
  response.write(`retry: ${RETRY_MS}\n\n`);
  const heartbeat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(': alive\n\n');
  }, HEARTBEAT_MS);
  try {
    for await (const { id, event, data } of events) {
      const text = `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      if (!response.write(text)) await once(response, 'drain', { signal });
    }
  } finally {
    clearInterval(heartbeat);
  }
  signal.throwIfAborted();
  response.end();
}
