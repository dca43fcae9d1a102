import type { ServerResponse } from 'node:http';
import { ClientGone } from './problem.ts';

/** Aborted when the client hangs up before it has its whole answer. */
export function clientSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new ClientGone());
  });
  return controller.signal;
}
