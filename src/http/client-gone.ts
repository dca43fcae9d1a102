import { setMaxListeners } from 'node:events';
import type { ServerResponse } from 'node:http';

/**
 * Thrown where a request ends because its client closed the connection. It is neither answered nor logged as an error.
 */
export class ClientGone extends Error {
  constructor() {
    super('the client closed the connection');
    this.name = 'ClientGone';
  }
}

/**
 * Aborted with `ClientGone` when the client closes the connection before it has its whole answer, or has closed it
 * already.
 */
export function clientSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  // Each image of the request listens to it.
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal);
  if (response.destroyed && !response.writableFinished) controller.abort(new ClientGone());
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new ClientGone());
  });
  return controller.signal;
}
