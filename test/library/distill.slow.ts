import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { colouredPicture } from '../../scripts/labelled-zip.ts';
import { openZoo, type Zoo } from '../../src/index.ts';

const PICTURES = 24;
const MODELS = { teacher: 'vgg11_bn_slim', student: 'resnet18_slim' } as const;

let dataDir: string;
let pictures: string;
let zoo: Zoo;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'menagerie-distill-'));
  pictures = join(dataDir, 'pictures');
  await mkdir(pictures);
  for (let index = 0; index < PICTURES; index++) {
    const colour = (['red', 'green', 'blue'] as const)[index % 3] ?? 'red';
    await writeFile(join(pictures, `${index}.png`), await colouredPicture(colour, index));
  }
  zoo = await openZoo({ dataDir });
});
afterAll(async () => {
  await zoo.close();
  await rm(dataDir, { recursive: true });
});

describe('a model that learns the answers of another', () => {
  it.each(['head', 'last_stage'] as const)('answers with its classes, at depth=%s', async (depth) => {
    const name = `taught-${depth === 'head' ? 'head' : 'stage'}`;
    const job = await zoo.distill(pictures, { ...MODELS, name, depth, epochs: 2 });
    await expect(job.result).resolves.toMatchObject({ model: name, version: 1, promoted: true });

    const image = await colouredPicture('red', 50);
    const [taught] = await zoo.classify([image], { model: name, topK: 1 });
    const [teacher] = await zoo.classify([image], { model: MODELS.teacher, topK: 1000 });
    expect(teacher?.predictions.map(({ label }) => label)).toContain(taught?.predictions[0]?.label);

    const { distillation, test } = JSON.parse(await zoo.report(name)) as {
      distillation: {
        pictures: { train: number; validation: number; test: number };
        agreement: number;
        models: { role: string; model: string }[];
      };
      test: unknown;
    };
    const { train, validation, test: tested } = distillation.pictures;
    expect(train + validation + tested).toBe(PICTURES);
    expect((distillation.agreement * tested) % 1).toBeCloseTo(0, 6);
    expect(distillation.models.map(({ role }) => role)).toEqual(['teacher', 'student']);
    expect(test).toBeNull();
    expect(await zoo.report(name, 'html')).toContain('Teacher and student');
  });

  it('needs at least 20 different pictures', async () => {
    const few = join(dataDir, 'few');
    await mkdir(few);
    for (let index = 0; index < 5; index++) {
      await writeFile(join(few, `${index}.png`), await colouredPicture('red', index));
    }
    const job = await zoo.distill(few, { ...MODELS, name: 'few' });
    await expect(job.result).rejects.toMatchObject({
      code: 'dataset_too_small',
      message: expect.stringContaining('at least 20 different pictures, and there are 5'),
    });
  });

  it.each([
    [{ teacher: 'no_such_model' }, 'model_not_found', 'no_such_model'],
    [{ temperature: 0.5 }, 'invalid_request', 'temperature'],
  ])('refuses %j', async (wrong, code, words) => {
    const refused = zoo.distill(pictures, { ...MODELS, name: 'refused', ...wrong });
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });
});
