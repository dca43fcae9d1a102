import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  freePort,
  type ServerProcess,
  startServer,
  temporaryDataDir,
  untilReady,
} from '../../scripts/server-process.ts';
import { decode, encode } from '../../src/common/protobuf.ts';
import { openZoo } from '../../src/index.ts';
import { INFERENCE_SERVICE, inferenceRequest, inferenceResponse } from '../../src/oip/messages.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import { readZip } from '../zip-reader.ts';

const [MODEL] = EMBEDDED;

/** As KServe starts a container: the files of an export lie in a folder, and the model has the name of the service. */
describe.each(['onnx', 'tfjs', 'safetensors'] as const)('a server of an export as %s', (format) => {
  let data: Awaited<ReturnType<typeof temporaryDataDir>>;
  let folder: string;
  let server: ServerProcess;
  let grpcPort: number;

  const start = async () => {
    const command = ['serve', `--from=${folder}`, '--model=flowers'];
    const settings = { HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'classify', GRPC_PORT: String(grpcPort) };
    server = await startServer(join(data.path, 'data'), settings, [process.execPath, 'dist/src/main.js', ...command]);
    await untilReady(server);
  };
  const stop = async () => {
    server.child.kill('SIGTERM');
    expect(await server.exit).toBe(0);
  };

  beforeAll(async () => {
    grpcPort = await freePort();
    data = await temporaryDataDir();
    folder = join(data.path, 'mnt/models');
    await mkdir(folder, { recursive: true });
    const zoo = await openZoo({ dataDir: join(data.path, 'elsewhere') });
    const files = await readZip(await buffer((await zoo.export(MODEL, { format })).zip));
    await zoo.close();
    for (const [name, content] of files) await writeFile(join(folder, name), content);
    await chmod(folder, 0o555);
    await start();
  });
  afterAll(async () => {
    await stop();
    await data.remove();
  });

  const post = async (path: string, body: unknown) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(response.status).toBe(200);
    return (await response.json()) as unknown;
  };
  const best = (scores: readonly number[]) => scores.indexOf(Math.max(...scores));

  test('answers both versions of the protocol under the name of the service', async () => {
    const pictures = await goldenPictures(MODEL);
    const encoded = pictures.map(({ png }) => png.toString('base64'));
    const expected = pictures.map(({ top1 }) => top1);
    expect((await fetch(`${server.url}/v2/models/flowers/ready`)).status).toBe(200);

    const v1 = z
      .object({ predictions: z.array(z.array(z.number())) })
      .parse(await post('/v1/models/flowers:predict', { instances: encoded.map((b64) => ({ b64 })) }));
    expect(v1.predictions.map(best)).toEqual(expected);

    const input = { name: 'pixels', datatype: 'BYTES', shape: [encoded.length], data: encoded };
    const v2 = z
      .object({ model_name: z.literal('flowers'), outputs: z.tuple([z.object({ data: z.array(z.number()) })]) })
      .parse(await post('/v2/models/flowers/infer', { inputs: [input], outputs: [{ name: 'probabilities' }] }));
    const [{ data: scores }] = v2.outputs;
    const classes = scores.length / expected.length;
    expect(expected.map((_, row) => best(scores.slice(row * classes, (row + 1) * classes)))).toEqual(expected);
  });

  test('answers in gRPC under the name of the service', async () => {
    const [picture] = await goldenPictures(MODEL);
    const png = picture?.png ?? Buffer.alloc(0);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(png.length);
    const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
    const response = await new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(
        `/${INFERENCE_SERVICE}/ModelInfer`,
        (request: Uint8Array) => Buffer.from(request),
        (bytes: Buffer) => bytes,
        encode(inferenceRequest, {
          model: 'flowers',
          inputs: [{ name: 'pixels', datatype: 'BYTES', shape: [1] }],
          outputs: [{ name: 'probabilities' }],
          raw: [Buffer.concat([length, png])],
        }),
        (error, bytes) => (bytes === undefined ? reject(error) : resolve(bytes)),
      );
    });
    const { model, raw: [scores = new Uint8Array()] = [] } = decode(inferenceResponse, response);
    client.close();
    const { buffer: memory, byteOffset, byteLength } = Uint8Array.from(scores);
    expect([model, best([...new Float32Array(memory, byteOffset, byteLength / 4)])]).toEqual([
      'flowers',
      picture?.top1,
    ]);
  });

  test('classifies by it when no model is named, with the classes of the export', async () => {
    const [picture] = await goldenPictures(MODEL);
    const headers = { 'content-type': 'image/png' };
    const body = new Uint8Array(picture?.png ?? []);
    const response = await fetch(`${server.url}/classify?top_k=1`, { method: 'POST', headers, body });
    expect(await response.json()).toMatchObject({
      model: 'flowers',
      results: [{ predictions: [{ index: picture?.top1, synset: expect.stringMatching(/^n\d{8}$/) }] }],
    });
  });

  test('a container that starts again has it already', async () => {
    const before = await readdir(join(data.path, 'data/zoo/flowers'));
    expect(server.log()).toContain('"msg":"imported"');
    await stop();
    await start();
    expect(server.log()).not.toContain('"msg":"imported"');
    expect(await readdir(join(data.path, 'data/zoo/flowers'))).toEqual(before);
  });
});
