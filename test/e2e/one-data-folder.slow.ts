import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startServer, temporaryDataDir, untilReady } from '../../scripts/server-process.ts';

/** A PID namespace of its own, as a container has; it ends with the process that starts it. */
const CONTAINER = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
const canUnshare = spawnSync('unshare', [...CONTAINER, 'true']).status === 0;
const SERVER = ['unshare', ...CONTAINER, process.execPath, 'dist/src/main.js'] as const;

it.skipIf(!canUnshare)(
  'two containers cannot use one data folder (skipped where `unshare --pid` is not permitted)',
  async () => {
    const { path: dataDir, remove } = await temporaryDataDir();
    const first = await startServer(dataDir, {}, [...SERVER]);
    await untilReady(first);
    const inWork = join(dataDir, 'work', 'version-1', 'weights');
    await mkdir(join(dataDir, 'work', 'version-1'), { recursive: true });
    await writeFile(inWork, 'of a training that is running');

    await expect(startServer(dataDir, {}, [...SERVER])).rejects.toThrow(
      /menagerie cannot start: .*jobs is in use by process 1 on \S+ since \d{4}-[\d:T.-]+Z; stop it, or use another folder/,
    );
    expect(existsSync(inWork)).toBe(true);
    expect((await fetch(`${first.url}/v2/health/ready`)).status).toBe(200);

    // A crash leaves nothing locked: the next one starts at once, and removes what the first has left.
    first.child.kill('SIGKILL');
    await first.exit;
    const next = await startServer(dataDir, {}, [...SERVER]);
    expect(existsSync(inWork)).toBe(false);
    next.child.kill('SIGKILL');
    await next.exit;
    await remove();
  },
);
