import { spawnSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';
import { startServer, temporaryDataDir, untilReady } from '../../scripts/server-process.ts';

/** Builds the page as `npm start` does, and serves it. */
export default async function servePage(project: TestProject): Promise<() => Promise<void>> {
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the page could not be built');
  const data = await temporaryDataDir();
  const server = await startServer(data.path);
  await untilReady(server);
  project.provide('serverUrl', server.url);
  return async () => {
    server.child.kill('SIGTERM');
    await server.exit;
    await data.remove();
  };
}
