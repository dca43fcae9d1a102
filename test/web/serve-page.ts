import { spawnSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';
import { startServer, temporaryDataDir, untilReady } from '../../scripts/server-process.ts';

/** Builds the page as `npm start` does, and serves it: each worker of Vitest has a server of its own. */
export default async function servePage(project: TestProject): Promise<() => Promise<void>> {
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the page could not be built');
  const servers = await Promise.all(Array.from({ length: project.config.maxWorkers }, startOne));
  project.provide(
    'serverUrls',
    servers.map(({ url }) => url),
  );
  return async () => {
    await Promise.all(servers.map(({ stop }) => stop()));
  };
}

async function startOne(): Promise<{ url: string; stop: () => Promise<void> }> {
  const data = await temporaryDataDir();
  const server = await startServer(data.path);
  await untilReady(server);
  const stop = async (): Promise<void> => {
    server.child.kill('SIGTERM');
    await server.exit;
    await data.remove();
  };
  return { url: server.url, stop };
}
