import type { Request, Response } from 'express';
import { auditLines } from '../../access/audit.ts';
import type { Logger } from '../../common/logger.ts';
import { clientAddress } from '../client-address.ts';
import type { RequestState } from '../middleware/request-state.ts';

/** Creates a function that writes the line of a request to the audit log when it is over. */
export function auditLog(logger: Logger): (request: Request, response: Response<unknown, RequestState>) => void {
  const write = auditLines(logger);
  return (request, response) => {
    // A connection that has closed tells no address.
    const address = clientAddress(request);
    response.once('close', () => {
      const { client, requestId, subject } = response.locals;
      const status = response.writableFinished ? response.statusCode : null;
      write({ requestId, client, address, action: `${request.method} ${request.path}`, subject, status });
    });
  };
}
