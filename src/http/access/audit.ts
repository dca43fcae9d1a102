import type { Request, Response } from 'express';
import type { Logger } from '../../common/logger.ts';
import { clientAddress } from '../client-address.ts';
import type { RequestState } from '../middleware/request-state.ts';
import type { Client } from './access.ts';

/**
 * Creates a function that logs a request which changes something, when it is over: who sent it, from where, what it
 * asked for, and how that ended. Refused requests are logged too. The lines have `audit: true`, and are written at
 * every `LOG_LEVEL` but `silent`. They never hold a key: its name and id tell which one it was.
 */
export function auditLog(logger: Logger): (request: Request, response: Response<unknown, RequestState>) => void {
  const lines = logger.level === 'silent' ? logger : logger.child({ audit: true }, { level: 'info' });
  return (request, response) => {
    // A connection that has closed tells no address.
    const address = clientAddress(request);
    response.once('close', () => {
      const { client, requestId, subject } = response.locals;
      lines.info(
        {
          requestId,
          ...whoIs(client),
          address,
          action: `${request.method} ${request.path}`,
          ...(subject && { subject }),
          status: response.writableFinished ? response.statusCode : null,
        },
        'audit',
      );
    });
  };
}

function whoIs(client: Client | undefined) {
  if (client?.kind !== 'key') return { client: client?.kind ?? 'unknown' };
  return { client: 'key', key: { id: client.id, name: client.name } };
}
