import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startServer, temporaryDataDir, untilReady } from '../../scripts/server-process.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';

/** It needs Python: `pip install openapi-python-client`, and `PYTHON` where it is not the first one. */
const python = process.env['PYTHON'] ?? 'python3';
const isThere = spawnSync(python, ['-c', 'import openapi_python_client']).status === 0;
const run = promisify(execFile);

test.skipIf(!isThere)(
  'a Python client that was generated from openapi.yaml classifies (skipped without openapi-python-client)',
  async () => {
    const data = await temporaryDataDir();
    const client = join(data.path, 'client');
    await run(python, ['-m', 'openapi_python_client', 'generate', '--path', 'openapi.yaml', '--output-path', client]);
    const server = await startServer(data.path);
    try {
      await untilReady(server);
      const [model = ''] = EMBEDDED;
      const [picture] = await goldenPictures(model);
      const photo = join(data.path, 'photo.png');
      await writeFile(photo, picture?.png ?? '');
      const env = { ...process.env, PYTHONPATH: client };
      const { stdout } = await run(python, ['test/e2e/generated_client.py', server.url, model, photo], { env });
      expect(JSON.parse(stdout)).toEqual({
        models: expect.arrayContaining([...EMBEDDED]),
        form: picture?.top1,
        bytes: picture?.top1,
        predicted: picture?.top1,
        refusal: 'model_not_found',
      });
    } finally {
      server.child.kill('SIGTERM');
      await server.exit;
      await data.remove();
    }
  },
);
