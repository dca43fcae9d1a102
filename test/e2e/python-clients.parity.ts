import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/server-process.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import { withServer } from './own-server.ts';

const run = promisify(execFile);
const python = process.env['PYTHON'] ?? 'python3';
const [model] = EMBEDDED;

function has(module: string): boolean {
  return spawnSync(python, ['-c', `import ${module}`]).status === 0;
}

/** They need Python: `pip install openapi-python-client "tritonclient[http,grpc]"`, and `PYTHON` where it is not the first one. */
describe('in Python', () => {
  const grpcPort = freePort();
  const server = withServer(async () => ({ GRPC_PORT: String(await grpcPort) }));

  /** Runs a client with an address, the name of the model and a photo. @returns what it printed, and the right class */
  async function answersTo(client: string, address: string, env: NodeJS.ProcessEnv = {}) {
    const [picture] = await goldenPictures(model);
    const photo = join(server.dataDir, 'photo.png');
    await writeFile(photo, picture?.png ?? '');
    const { stdout } = await run(python, [`test/e2e/${client}`, address, model, photo], {
      env: { ...process.env, ...env },
    });
    return { answers: JSON.parse(stdout), top1: picture?.top1 };
  }

  test.skipIf(!has('openapi_python_client'))(
    'a client that was generated from openapi.yaml classifies (skipped without openapi-python-client)',
    async () => {
      const client = join(server.dataDir, 'client');
      await run(python, ['-m', 'openapi_python_client', 'generate', '--path', 'openapi.yaml', '--output-path', client]);
      const { answers, top1 } = await answersTo('generated_client.py', server.url, { PYTHONPATH: client });
      expect(answers).toEqual({
        models: expect.arrayContaining([...EMBEDDED]),
        form: top1,
        bytes: top1,
        predicted: top1,
        refusal: 'model_not_found',
      });
    },
  );

  // These come last: they unload the model.
  test.skipIf(!has('tritonclient.http'))("Triton's client is served (skipped without tritonclient[http])", async () => {
    const { answers, top1 } = await answersTo('triton_client.py', server.url.replace('http://', ''));
    expect(answers).toMatchObject({
      extensions: ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'],
      states: { [model]: 'READY' },
      spread: expect.closeTo(0, 5),
      top1,
      ready: [true, false],
      counted: expect.any(Number),
      refusal: expect.stringContaining('unloaded by request'),
    });
  });

  test.skipIf(!has('tritonclient.grpc'))(
    "Triton's client of gRPC is served (skipped without tritonclient[grpc])",
    async () => {
      const { answers, top1 } = await answersTo('triton_grpc_client.py', `127.0.0.1:${await grpcPort}`);
      expect(answers).toMatchObject({
        server: [true, true],
        extensions: ['classification', 'model_configuration', 'model_repository', 'statistics'],
        // Of the version, and of all models: twice three images as tensors, and one as a file.
        counted: [7, 7],
        states: { [model]: 'READY' },
        inputs: [{ name: 'pixels', data_type: 'TYPE_UINT8', format: 'FORMAT_NHWC', dims: ['64', '64', '3'] }],
        spread: expect.closeTo(0, 5),
        top1,
        ready: [true, false, false],
        refusal: ['StatusCode.FAILED_PRECONDITION', expect.stringContaining('unloaded by request')],
      });
    },
  );
});
