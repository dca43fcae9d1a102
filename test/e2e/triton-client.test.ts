import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startServer, temporaryDataDir, untilReady } from '../../scripts/server-process.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';

/** Triton's client needs Python: `pip install "tritonclient[http]"`, and `PYTHON` where it is not the first one. */
const python = process.env['PYTHON'] ?? 'python3';
const isThere = spawnSync(python, ['-c', 'import tritonclient.http']).status === 0;

test.skipIf(!isThere)("Triton's client is served (skipped without Python's tritonclient[http])", async () => {
  const data = await temporaryDataDir();
  const server = await startServer(data.path);
  try {
    await untilReady(server);
    const [model = ''] = EMBEDDED;
    const [picture] = await goldenPictures(model);
    const photo = join(data.path, 'photo.png');
    await writeFile(photo, picture?.png ?? '');
    const args = ['test/e2e/triton_client.py', server.url.replace('http://', ''), model, photo];
    const { stdout } = await promisify(execFile)(python, args);
    expect(JSON.parse(stdout)).toMatchObject({
      extensions: ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'],
      states: { [model]: 'READY' },
      spread: expect.closeTo(0, 5),
      top1: picture?.top1,
      ready: [true, false],
      refusal: expect.stringContaining('unloaded by request'),
    });
  } finally {
    server.child.kill('SIGTERM');
    await server.exit;
    await data.remove();
  }
});
