import { cpSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { menagerie } from './run.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-models-'));
});

afterAll(() => rm(folder, { recursive: true }));

const zoo = (...args: string[]) => menagerie(args, { DATA_DIR: folder, HF_ENDPOINT: 'http://127.0.0.1:9' });

describe('menagerie', () => {
  test('list is a table that fits a terminal', async () => {
    const lines = (await zoo('list')).stdout.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines[0]).toMatch(/^model +here +top-1/);
    expect(lines.find((line) => line.startsWith('resnet18_slim.tiny200'))).toMatch(/embedded +45\.9 +2\.8 M +5\.7 /);
    expect(lines.find((line) => line.startsWith('resnet50.tv_in1k'))).toMatch(/ - +76\.2 +25\.6 M +102\.5 /);
  });

  test('pull without a network says in one line what to download and where to put it', async () => {
    const { code, stderr } = await zoo('pull', 'resnet18.tv_in1k');
    expect(code).toBe(1);
    expect(stderr.trim()).toMatch(
      /^127\.0\.0\.1:9 cannot be reached \(ECONNREFUSED\): fetch https:\S+ elsewhere and put it here as \S+model\.safetensors$/,
    );
  });

  test('serve and classify say what to type when the model is not here, and what is meant when there is none', async () => {
    const photo = join(folder, 'photo.jpg');
    await writeFile(photo, 'no picture');
    const typed =
      'resnet50.tv_in1k has not been pulled: add --yes to pull it now (103 MB), or type npx menagerie pull resnet50.tv_in1k\n';
    expect(await zoo('serve', '--model', 'resnet50')).toEqual({ code: 1, stdout: '', stderr: typed });
    expect(await zoo('classify', photo, '--model', 'resnet50')).toEqual({ code: 1, stdout: '', stderr: typed });
    expect(await zoo('serve', '--model', 'resnet51')).toMatchObject({
      code: 1,
      stderr: 'there is no model "resnet51"; did you mean resnet50?\n',
    });
    const pulling = await zoo('classify', photo, '--model', 'resnet18', '--yes');
    expect(pulling).toMatchObject({ code: 1, stderr: expect.stringMatching(/^127\.0\.0\.1:9 cannot be reached/) });
  });

  test('verify finds damaged weights, rm removes them, gc frees space', async () => {
    const place = join(folder, 'zoo', 'resnet18_slim.tiny200');
    cpSync('zoo/resnet18_slim.tiny200', place, { recursive: true });
    await writeFile(join(place, 'weights.safetensors'), 'damaged');
    const { code, stdout } = await zoo('verify');
    expect(code).toBe(1);
    expect(stdout).toContain('ok     vgg11_bn_slim.tiny200\n');
    expect(stdout).toMatch(/^wrong {2}resnet18_slim\.tiny200: SHA-256 is [0-9a-f]{64}, should be e1794474/m);
    expect((await zoo('rm', 'resnet18_slim.tiny200', '--yes')).stdout).toContain('removed');
    expect((await zoo('gc')).stdout).toContain('MB freed');
  });
});
