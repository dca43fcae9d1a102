import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../common/json.ts';

/** An event for the `EventSource` of a browser. */
export interface StreamedEvent {
  readonly id: number;
  readonly event: string;
  readonly data: JsonObject;
}

/** Milliseconds between comments that show proxies and clients that the stream is alive. */
export const HEARTBEAT_MS = 15_000;
/** Milliseconds after which a client whose connection broke reconnects. */
const RETRY_MS = 2_000;

/**
 * Sends events as they come, as fast as the client reads them, and ends the response after the last one.
 * @param signal aborted when the client closes the connection; then its reason is thrown
 */
export async function sendEvents(
  response: ServerResponse,
  events: AsyncIterable<StreamedEvent>,
  signal: AbortSignal,
): Promise<void> {
  response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  // A server that shuts down need not wait for another request after a long stream.
  response.setHeader('Connection', 'close');
  // Proxies would otherwise buffer the events.
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
