import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { colouredPicture, colourZip } from '../../scripts/labelled-zip.ts';
import { type FinetuneResult, openZoo, type Zoo } from '../../src/index.ts';

let folder: string;
let zip: string;
let zoo: Zoo;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-last-stage-'));
  zip = join(folder, 'colours.zip');
  await writeFile(zip, await colourZip(14));
  zoo = await openZoo({ dataDir: folder });
});
afterAll(async () => {
  await zoo.close();
  await rm(folder, { recursive: true });
});

const BACKBONES = ['resnet18_slim', 'vgg11_bn_slim', 'inception_v1_slim'] as const;

interface Report {
  readonly training: {
    readonly settings: Readonly<Record<string, unknown>>;
    readonly last_stage: {
      readonly published: boolean;
      readonly history: readonly { readonly val_loss: number; readonly val_accuracy: number }[];
    };
  };
  readonly test: { readonly robustness?: unknown };
  readonly novelty: { readonly accepted?: number; readonly left_out_classes?: unknown };
}

describe.each(BACKBONES)('%s with its last stage trained', (backbone) => {
  const name = backbone.split('_')[0] ?? backbone;
  let result: FinetuneResult;
  let report: Report;

  beforeAll(async () => {
    const job = await zoo.finetune(zip, {
      ...{ name, backbone, depth: 'last_stage', epochs: 2, augmentation: { copies: 1 } },
    });
    result = await job.result;
    report = JSON.parse(await zoo.report(name)) as Report;
  });

  it('is published where the validation images are better than with the head alone', () => {
    expect(result).toMatchObject({ model: name, version: 1 });
    const { published, history } = report.training.last_stage;
    expect(history).toHaveLength(3);
    const [alone, ...later] = history;
    expect(Math.min(...later.map(({ val_loss }) => val_loss))).toBeLessThan(alone?.val_loss ?? 0);
    expect(published).toBe(true);
  });

  it('is one network for both runtimes, which name the colour', async () => {
    const image = await colouredPicture('green', 99);
    const [onnx, tfjs] = await Promise.all(
      (['onnx', 'tfjs'] as const).map((runtime) => zoo.classify([image], { model: name, runtime, topK: 3 })),
    );
    const scores = (answers: typeof onnx) =>
      [...(answers?.[0]?.predictions ?? [])].sort((a, b) => a.index - b.index).map(({ score }) => score);
    expect(onnx?.[0]?.predictions[0]?.label).toBe('green');
    expect(scores(onnx)).toHaveLength(3);
    scores(onnx).forEach((score, index) => {
      expect(scores(tfjs)[index]).toBeCloseTo(score, 4);
    });
  });

  it('explains its answer', async () => {
    const { heatmap, prediction } = await zoo.explain(await colouredPicture('red', 99), { model: name });
    expect(prediction.label).toBe('red');
    expect(Math.max(...heatmap.values)).toBe(1);
  });

  it('gives no figures that the trained stage would flatter', async () => {
    expect(report.novelty.left_out_classes).toBeUndefined();
    expect(report.test.robustness).toBeUndefined();
    const page = await zoo.report(name, 'html');
    expect(page).toContain('How well it refuses other things was not measured');
    expect(page).toContain('Corrupted images are not tested at this depth');
  });
});

it('begins with the head that is solved for when there are few images', async () => {
  const job = await zoo.finetune(zip, { name: 'few', depth: 'last_stage', augmentation: { copies: 1 } });
  await job.result;
  const { training } = JSON.parse(await zoo.report('few')) as Report;
  expect(training.settings).toHaveProperty('solver', 'ridge_regression');
  expect(training.last_stage.history[0]?.val_accuracy).toBeGreaterThan(0.5);
});

it('refuses a thorough search, and images without any for validation', async () => {
  const options = { name: 'refused', depth: 'last_stage' } as const;
  await expect(zoo.finetune(zip, { ...options, search: 'thorough' })).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('use search=none or quick with depth=last_stage'),
  });
  const job = await zoo.finetune(zip, { ...options, validationShare: 0 });
  await expect(job.result).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('set validation_share above 0'),
  });
});
