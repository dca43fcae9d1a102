import { afterAll, beforeAll } from 'vitest';
import { type ServerProcess, startServer, temporaryDataDir, untilReady } from '../../scripts/server-process.ts';

/** The server of a suite. */
export interface OwnServer extends ServerProcess {
  /** Its `DATA_DIR`. */
  readonly dataDir: string;
  /** Starts it again on the same folder, when it has ended, and waits until it is ready. */
  start(): Promise<void>;
}

/**
 * Starts a server on a folder of its own before the tests of a suite, and ends both afterwards.
 * @param settings asked for at each start
 */
export function withServer(
  settings: () => Record<string, string> | Promise<Record<string, string>> = () => ({}),
): OwnServer {
  let data: Awaited<ReturnType<typeof temporaryDataDir>>;
  let server: ServerProcess;
  const start = async (): Promise<void> => {
    server = await startServer(data.path, await settings());
    await untilReady(server);
  };

  beforeAll(async () => {
    data = await temporaryDataDir();
    await start();
  });
  afterAll(async () => {
    server.child.kill('SIGTERM');
    await server.exit;
    await data.remove();
  });
  return {
    start,
    log: () => server.log(),
    get child() {
      return server.child;
    },
    get url() {
      return server.url;
    },
    get exit() {
      return server.exit;
    },
    get dataDir() {
      return data.path;
    },
  };
}
