import { open } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { errnoOf } from './durable-files.ts';

/** `sockaddr_un` holds 108 bytes on Linux and 104 on macOS (unix(7)). */
const MAX_PATH_BYTES = 100;

/**
 * Listens on a new Unix socket in a folder, which does not keep the process alive. Connections are closed at once: that
 * there is a listener is all that the socket shows.
 * @returns undefined when the file system has no sockets or cannot be written
 */
export async function listenIn(folder: string, name: string): Promise<Server | undefined> {
  const server = createServer((connection) => connection.destroy()).unref();
  try {
    await withSocketPath(folder, name, (path) => {
      return new Promise<void>((resolve, reject) => {
        // Later errors are about single connections, and do not matter.
        server.on('error', reject);
        server.listen(path, resolve);
      });
    });
    return server;
  } catch {
    return undefined;
  }
}

/** Whether the process that made a socket is alive; unknown when the socket does not exist or cannot be reached. */
export async function findListener(folder: string, name: string): Promise<'alive' | 'ended' | 'unknown'> {
  try {
    await withSocketPath(folder, name, (path) => {
      return new Promise<void>((resolve, reject) => {
        const connection = connect(path);
        connection.once('error', reject);
        connection.once('connect', () => {
          connection.destroy();
          resolve();
        });
      });
    });
    return 'alive';
  } catch (thrown) {
    switch (errnoOf(thrown)) {
      case 'ECONNREFUSED':
        return 'ended';
      // Its queue of connections is full: the process is stopped, but alive.
      case 'EAGAIN':
        return 'alive';
      default:
        return 'unknown';
    }
  }
}

/** Calls `use` with a path that is short enough. On Linux, there is one for every open folder. */
async function withSocketPath(folder: string, name: string, use: (path: string) => Promise<void>): Promise<void> {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return await use(path);
  const handle = await open(folder, 'r');
  try {
    await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}
