import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import { parseDistillationOptions } from '../../src/finetuning/distillation/distillation-options.ts';
import { parseFinetuneOptions } from '../../src/finetuning/finetune-options.ts';
import { ModelTrainer, type PublishedVersion } from '../../src/finetuning/model-trainer.ts';
import type { TrainingResult, TrainingTask } from '../../src/finetuning/training-messages.ts';
import { Registry } from '../../src/registry/registry.ts';
import { Repository } from '../../src/registry/repository.ts';
import type { ConversionCache } from '../../src/serving/conversion-cache.ts';
import { MemoryArtifactStore } from '../registry/memory-artifact-store.ts';
import { CONVERTED } from '../serving/converted-model.ts';

const { runTraining, runDistillation } = vi.hoisted(() => ({ runTraining: vi.fn(), runDistillation: vi.fn() }));
vi.mock('../../src/finetuning/training-process.ts', () => ({ runTraining, runDistillation }));

const ZOO_MODEL = 'resnet18_slim.tiny200';
const manifest = JSON.parse(readFileSync(`zoo/${ZOO_MODEL}/manifest.json`, 'utf8'));
const control = { onProgress: () => {}, signal: new AbortController().signal };
/** What a training process says that no longer finds a file. */
const lostFile = new AppError('internal', 'Load model from model.onnx failed: file does not exist');

let folder: string;
let store: MemoryArtifactStore;
let repository: Repository;
let registry: Registry;
const convert = vi.fn<ConversionCache['get']>();
let trainer: ModelTrainer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'model-trainer-'));
  store = new MemoryArtifactStore();
  repository = new Repository('zoo', store);
  registry = new Registry();
  for (const model of (await repository.list()).models) registry.set(model);
  convert.mockReset().mockResolvedValue(CONVERTED);
  runTraining.mockReset().mockImplementation(trained);
  runDistillation.mockReset().mockImplementation(trained);
  trainer = new ModelTrainer({
    registry,
    repository,
    store,
    conversions: { get: convert },
    logger: createLogger('silent'),
    defaultBackbone: ZOO_MODEL,
    zooDir: 'zoo',
    featureDir: join(folder, 'features'),
    maxFeatureBytes: 1e9,
    workDir: join(folder, 'work'),
    icc: 'ignore',
    maxImagePixels: 1e6,
  });
});

afterEach(async () => {
  await store.dispose();
  await rm(folder, { recursive: true });
});

/** Stands for a training: writes the files of a version. */
async function trained({ versionDir, options }: Pick<TrainingTask, 'versionDir' | 'options'>): Promise<TrainingResult> {
  await writeFiles(versionDir, options.name);
  return { accuracy: 0.9, currentAccuracy: undefined, summary: {} };
}

async function writeFiles(to: string, name: string): Promise<void> {
  await writeFile(join(to, 'manifest.json'), JSON.stringify({ ...manifest, name }));
  await writeFile(join(to, manifest.weights.file), 'weights');
}

/** Publishes a version as another machine does, of which this one does not know yet. */
async function publishElsewhere(name: string): Promise<number> {
  const files = await mkdtemp(join(folder, 'version-'));
  await writeFiles(files, name);
  return await store.putVersion(name, files, files);
}

async function publish(name: string): Promise<number> {
  const version = await publishElsewhere(name);
  await repository.refresh(registry, name);
  return version;
}

function train(request: object, key = 'job-1'): Promise<PublishedVersion> {
  return trainer.train(parseFinetuneOptions({ name: 'flowers', ...request }), 'flowers.zip', key, control);
}

function distill(teacher: string, student: string): Promise<PublishedVersion> {
  const options = parseDistillationOptions({ teacher, student, name: 'small' });
  return trainer.distill(options, 'photos.zip', 'job-1', control);
}

describe('a job that is worked on again after its version was published', () => {
  beforeEach(() => publish('flowers'));

  test('leaves the alias where somebody has pointed it since', async () => {
    expect(await train({})).toMatchObject({ version: 2, promoted: true });
    await store.setAlias('flowers', 'production', 1);
    expect(await train({})).toMatchObject({ version: 2, promoted: false });
    expect((await store.get('flowers')).aliases).toEqual({ production: 1 });
  });

  test('says that its version is in service as long as it is', async () => {
    await train({});
    expect(await train({})).toMatchObject({ version: 2, promoted: true });
  });
});

test('the first version of a model is promoted in any case, others as the request has it', async () => {
  expect(await train({ promote: 'never' }, 'job-1')).toMatchObject({ version: 1, promoted: true });
  expect(await train({ promote: 'never' }, 'job-2')).toMatchObject({ version: 2, promoted: false });
  const compared = (currentAccuracy: number) =>
    runTraining.mockImplementationOnce(async (task: TrainingTask) => ({ ...(await trained(task)), currentAccuracy }));
  compared(0.95);
  expect(await train({ promote: 'if_better' }, 'job-3')).toMatchObject({ version: 3, promoted: false });
  compared(0.85);
  expect(await train({ promote: 'if_better' }, 'job-4')).toMatchObject({ version: 4, promoted: true });
  expect(await train({}, 'job-5')).toMatchObject({ version: 5, promoted: true });
});

test('a job may name versions that another machine has just published', async () => {
  for (const _ of [1, 2]) await publishElsewhere('plants');
  await train({ backbone: 'plants@1' });
  expect(runTraining.mock.calls[0]?.[0].backbone).toMatchObject({ name: 'plants', version: 1 });
  await publishElsewhere('animals');
  await distill('plants@2', 'animals@1');
  expect(runDistillation.mock.calls[0]?.[0]).toMatchObject({
    teacher: { name: 'plants', version: 2 },
    student: { name: 'animals', version: 1 },
  });
});

test('the version to compare with may just have been promoted by another machine', async () => {
  await publish('flowers');
  await store.setAlias('flowers', 'production', await publishElsewhere('flowers'));
  await train({});
  expect(runTraining.mock.calls[0]?.[0].current).toMatchObject({ name: 'flowers', version: 2 });
});

describe('a model that is removed', () => {
  const removed = (role: string, reference: string) => ({
    code: 'model_not_found',
    message: `the ${role} "${reference}" was removed while it was needed: send the request again with another ${role}`,
  });
  /** Fails as a process does from which the files of a model are taken. */
  const removing = (version: number) => async () => {
    await store.removeVersion('plants', version);
    throw lostFile;
  };

  beforeEach(async () => {
    await publish('plants');
    await publish('plants');
  });

  test('before its training begins is named, with what to do', async () => {
    await store.removeVersion('plants', 1);
    await repository.refresh(registry, 'plants');
    await expect(train({ backbone: 'plants@1' })).rejects.toMatchObject(removed('backbone', 'plants@1'));
    await expect(distill('plants@1', ZOO_MODEL)).rejects.toMatchObject(removed('teacher', 'plants@1'));
    await expect(distill(ZOO_MODEL, 'plants@1')).rejects.toMatchObject(removed('student', 'plants@1'));
  });

  test('while it is converted is named, with what to do', async () => {
    convert.mockImplementation(async () => {
      await store.removeVersion('plants', 1);
      throw new AppError('model_unavailable', 'model "plants" cannot be converted: ENOENT: no such file or directory');
    });
    await expect(train({ backbone: 'plants@1' })).rejects.toMatchObject(removed('backbone', 'plants@1'));
  });

  test('while it is trained on is named, with what to do', async () => {
    runTraining.mockImplementation(removing(1));
    await expect(train({ backbone: 'plants@1' })).rejects.toMatchObject(removed('backbone', 'plants@1'));
    runDistillation.mockImplementation(removing(2));
    await expect(distill('plants@2', ZOO_MODEL)).rejects.toMatchObject(removed('teacher', 'plants@2'));
  });

  test('is only not compared with when it was in service', async () => {
    await publish('flowers');
    convert.mockImplementation(async ({ name }) => {
      if (name !== 'flowers') return CONVERTED;
      await store.removeVersion('flowers', 1);
      throw new AppError('model_unavailable', 'model "flowers" cannot be converted: ENOENT: no such file or directory');
    });
    expect(await train({ backbone: 'plants@1' })).toMatchObject({ version: 2, promoted: true });
    expect(runTraining.mock.calls[0]?.[0].current).toBeUndefined();
  });

  test('is no excuse for what else goes wrong', async () => {
    runTraining.mockRejectedValueOnce(lostFile);
    await expect(train({ backbone: 'plants@1' })).rejects.toBe(lostFile);
    const tooSmall = new AppError('dataset_too_small', 'there are 3 images');
    runTraining.mockImplementation(async () => {
      await store.removeVersion('plants', 1);
      throw tooSmall;
    });
    await expect(train({ backbone: 'plants@1' })).rejects.toBe(tooSmall);
  });
});
