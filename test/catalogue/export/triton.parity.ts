import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openZoo, type Zoo } from '../../../src/index.ts';
import { EMBEDDED } from '../../golden/pictures.ts';
import { readZip } from '../../zip-reader.ts';

/** `PYTHON` names an interpreter with `tritonclient[grpc]`. */
const python = process.env['PYTHON'] ?? 'python3';
const run = promisify(execFile);
const isInstalled = await run(python, ['-c', 'import tritonclient.grpc']).then(
  () => true,
  () => false,
);

let folder: string;
let zoo: Zoo;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-triton-'));
  zoo = await openZoo({ dataDir: join(folder, 'data') });
});
afterAll(async () => {
  await zoo?.close();
  await rm(folder, { recursive: true });
});

if (!isInstalled) test.skip(`skipped: ${python} lacks tritonclient[grpc]; PYTHON names another`, () => {});

describe.skipIf(!isInstalled)("the config.pbtxt of an export is read by Triton's own messages", () => {
  test.each(EMBEDDED)('of %s', async (name) => {
    const { zip } = await zoo.export(name, { format: 'triton' });
    const path = join(folder, 'config.pbtxt');
    await writeFile(path, (await readZip(await buffer(zip))).get(`${name}/config.pbtxt`) ?? '');
    const { stdout } = await run(python, ['test/catalogue/export/read_config.py', path]);
    expect(JSON.parse(stdout)).toEqual({
      name,
      backend: 'onnxruntime',
      max_batch_size: 64,
      version_policy: { all: {} },
      input: [{ name: 'pixels', data_type: 'TYPE_UINT8', format: 'FORMAT_NHWC', dims: ['64', '64', '3'] }],
      output: [
        { name: 'probabilities', data_type: 'TYPE_FP32', dims: ['200'], label_filename: 'labels.txt' },
        { name: 'logits', data_type: 'TYPE_FP32', dims: ['200'], label_filename: 'labels.txt' },
        { name: 'features', data_type: 'TYPE_FP32', dims: [expect.stringMatching(/^\d+$/)] },
        { name: 'activations', data_type: 'TYPE_FP32', dims: Array(3).fill(expect.stringMatching(/^\d+$/)) },
      ],
      dynamic_batching: { preferred_batch_size: [4, 8, 16, 32, 64], max_queue_delay_microseconds: '500' },
      parameters: { weights_sha256_1: { string_value: expect.stringMatching(/^[\da-f]{64}$/) } },
    });
  });
});
