import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { colourZip } from '../../../scripts/labelled-zip.ts';
import { openZoo, type Zoo } from '../../../src/index.ts';
import { runTfjs } from '../../convert/runtimes.ts';
import { EMBEDDED } from '../../golden/pictures.ts';
import { readZip } from '../../zip-reader.ts';

/**
 * Exports that are run as their READMEs say, without code of this project: ONNX and safetensors in Python, TF.js in
 * Node.js. `PYTHON` names an interpreter with torch, safetensors, onnxruntime and Pillow.
 */
const python = process.env['PYTHON'] ?? 'python3';
const run = promisify(execFile);
const isInstalled = await run(python, ['-c', 'import torch, safetensors, onnxruntime, PIL']).then(
  () => true,
  () => false,
);
const SEED = 'resnet18_slim.tiny200';
/** The same network with other recipes for photos, sizes from which resizing is that of Pillow. */
const RECIPES = {
  'stretched.test': { resize_mode: 'stretch', crop_pct: 0.9 },
  'padded.test': { resize_mode: 'pad', pad_color: [114, 20, 60] },
  'cropped.test': { resize_mode: 'crop', crop_pct: 0.875, input_size: [3, 160, 160], interpolation: 'bicubic' },
};

let folder: string;
let photo: string;
let zoo: Zoo;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-exports-'));
  photo = join(folder, 'photo.png');
  await writeFile(photo, await wavyPicture(331, 210));
  const manifest = JSON.parse(await readFile(`zoo/${SEED}/manifest.json`, 'utf8'));
  for (const [name, recipe] of Object.entries(RECIPES)) {
    await cp(`zoo/${SEED}`, join(folder, 'data', 'zoo', name), { recursive: true });
    await writeFile(
      join(folder, 'data', 'zoo', name, 'manifest.json'),
      JSON.stringify({ ...manifest, name, ...recipe }),
    );
  }
  zoo = await openZoo({ dataDir: join(folder, 'data') });
});

afterAll(async () => {
  await zoo?.close();
  await rm(folder, { recursive: true });
});

if (!isInstalled) {
  test.skip(`skipped: ${python} lacks torch, safetensors, onnxruntime or Pillow; PYTHON names another`, () => {});
}

describe.skipIf(!isInstalled)('the exports of', () => {
  test.each([...EMBEDDED, ...Object.keys(RECIPES)])('%s give its scores, run as their READMEs say', (name) =>
    expectSameScores(name),
  );

  test('a fine-tuned model with a hidden layer give its scores, and so does one on VGG', async () => {
    const zip = join(folder, 'colours.zip');
    await writeFile(zip, await colourZip(8));
    await (await zoo.finetune(zip, { name: 'hidden', hiddenUnits: [16] })).result;
    await (await zoo.finetune(zip, { name: 'linear', backbone: 'vgg11_bn_slim' })).result;
    await expectSameScores('hidden');
    await expectSameScores('linear');
  });
});

async function expectSameScores(model: string): Promise<void> {
  const [safetensors = '', onnx = '', tfjs = ''] = await Promise.all(
    (['safetensors', 'onnx', 'tfjs'] as const).map((format) => unpack(model, format)),
  );
  const { stdout } = await run(python, ['test/catalogue/export/run_exports.py', safetensors, onnx, photo], {
    maxBuffer: 2 ** 26,
  });
  const answers = JSON.parse(stdout);
  const { preprocessing } = JSON.parse(await readFile(join(safetensors, 'network.json'), 'utf8'));
  const shape = [1, ...preprocessing.input_size, 3];
  const inTfjs = await runTfjs(join(tfjs, 'model.json'), {
    data: Uint8Array.from(Buffer.from(answers.pixels, 'base64')),
    shape,
  });
  expect(furthest(answers.torch.logits, answers.onnx.logits)).toBeLessThan(1e-3);
  expect(furthest(answers.torch.logits, [...inTfjs.logits.data])).toBeLessThan(1e-3);
  const [answer] = await zoo.classify([photo], { model, topK: 1_000 });
  const scores: number[] = [];
  for (const { index, score } of answer?.predictions ?? []) scores[index] = score;
  expect(scores).toHaveLength(answers.torch.scores.length);
  // Small crops of this server are resized by libvips, whose pixels differ by a grey level or two.
  const isExact = preprocessing.resize_mode !== 'crop' || Math.min(...preprocessing.input_size) >= 128;
  expect(furthest(scores, answers.torch.scores)).toBeLessThan(isExact ? 0.002 : 0.01);
  const { stdout: printed } = await run(python, [join(safetensors, 'model.py'), photo]);
  expect(printed.split('\n')[1]?.trim().split(/ %\s+/)[1]).toBe(answer?.predictions[0]?.label);
}

async function unpack(model: string, format: 'onnx' | 'tfjs' | 'safetensors'): Promise<string> {
  const { zip } = await zoo.export(model, { format });
  const target = join(folder, `${model}-${format}`);
  for (const [name, bytes] of await readZip(await buffer(zip))) {
    await mkdir(dirname(join(target, name)), { recursive: true });
    await writeFile(join(target, name), bytes);
  }
  return target;
}

function furthest(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, index) => Math.abs(value - (b[index] ?? Number.NaN))));
}

/** Waves of three frequencies, so that every way of resizing shows. */
function wavyPicture(width: number, height: number): Promise<Buffer> {
  const pixels = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, at) => {
      const [x, y, channel] = [Math.floor(at / 3) % width, Math.floor(at / 3 / width), at % 3];
      return Math.round(127 + 60 * Math.sin(x / (7 + 9 * channel)) + 60 * Math.cos(y / (23 - 6 * channel)));
    }),
  );
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
