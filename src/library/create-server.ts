import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../common/errors.ts';
import { createLogger } from '../common/logger.ts';
import { createServer as composeServer } from '../server.ts';
import { withCodes } from './errors.ts';
import { configOf, type ServerOptions } from './settings.ts';

/** The HTTP server of this package, in another program. */
export interface MenagerieServer {
  /**
   * Answers requests of another server, as a listener of `node:http` or a handler of Express. Under a path, as in
   * `app.use('/zoo', server.handler)`, set `basePath: '/zoo'`; `listen` is not needed then, and `close` does not wait
   * for requests that this handler still answers.
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /** Listens on `host` and `port`. @throws MenagerieError `internal` when the port is in use */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Answers what is in flight within `shutdownTimeoutMs`, then ends the processes. */
  close(): Promise<void>;
}

/**
 * Creates the HTTP server with its page, its documentation and its jobs. It begins to work at once: it loads the
 * default model and continues the fine-tunes that an earlier server left in the same folder. No signal is handled.
 * @throws MenagerieError `invalid_request` when a setting is wrong; `storage_unavailable` when another server uses the
 * folder
 */
export function createServer(options: ServerOptions = {}): Promise<MenagerieServer> {
  return withCodes(undefined, async () => {
    const config = configOf(options);
    const logger = createLogger(config.logLevel);
    const server = await composeServer(config, logger);
    const working = server.work().catch((thrown: unknown) => {
      logger.error({ reason: messageOf(thrown) }, 'the server did not start completely');
    });
    let closed: Promise<void> | undefined;
    return {
      handler: (request: IncomingMessage & { originalUrl?: string }, response) => {
        // Express takes the path off, and with it the difference between /zoo and /zoo/, which links depend on.
        if (config.basePath !== '') request.url = request.originalUrl ?? request.url ?? '/';
        server.handler(request, response);
      },
      listen: () =>
        withCodes(undefined, async () => {
          const port = await server.listen();
          const host = config.host.includes(':') ? `[${config.host}]` : config.host;
          return { url: `http://${host}:${port}`, port };
        }),
      close: () => {
        closed ??= withCodes(undefined, async () => {
          await server.close();
          await working;
        });
        return closed;
      },
    };
  });
}
