/** Measures a fine-tune against its floor (scripts/bench/finetune-floor.ts). */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { parseFinetuneOptions } from '../src/finetuning/finetune-options.ts';
import { createModelTrainer, createServices } from '../src/services.ts';
import { FinetuneFloorRuns, writeDatasetPhotos } from './bench/finetune-floor.ts';
import { median } from './bench/measurement.ts';
import { loadPhotos } from './bench/photos.ts';
import { missingParts } from './bench/python.ts';
import { expectEnd, readCommandLine, required, wholeNumber } from './command-line.ts';

const USAGE = `usage: npm run bench:finetune -- <folder or zip> [options]

Compares the duration of a fine-tune with its floor: every photo decoded once by Pillow (without
Python, by our own decoder), one forward pass of each image and copy by the bare runtime at its best
batch and threads, and the training of the head. Then measures the same job with cached features,
and the latency of classifications beside a job. The folder or zip has one folder per class.

  --backbone <model>   (default: the default backbone)
  --rounds <n>         measurements of each, taken in turns (default: 3)
  --python <path>      Python with Pillow and onnxruntime (default: PYTHON or python3); "" for none`;

const { dataset, backboneName, rounds, python } = readCommandLine(
  USAGE,
  {
    backbone: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
  },
  ({ values, positionals: [path, ...rest] }) => {
    expectEnd(rest);
    return {
      dataset: required('the folder or zip', path),
      backboneName: values.backbone,
      rounds: wholeNumber('--rounds', values.rounds, 1),
      python: values.python,
    };
  },
);

const dataDir = await mkdtemp(join(tmpdir(), 'menagerie-bench-'));
const config = readConfig({ ...process.env, DATA_DIR: dataDir });
const logger = createLogger('error');
const services = await createServices(config, logger);
const trainer = createModelTrainer(services, config, logger, dataDir);
// The floor has no corrupted images.
const options = parseFinetuneOptions({ name: 'bench', backbone: backboneName, corruptions: false });
const backbone = services.registry.resolve(options.backbone ?? config.defaultBackbone);
const { onnx } = await services.conversions.get(backbone);
const { signal } = new AbortController();
const missing = await missingParts(python);
const model = { name: backbone.name, onnxPath: onnx.path, preprocessing: backbone.manifest.preprocessing, labels: [] };
const photoFiles = await writeDatasetPhotos(dataset, join(dataDir, 'photos'));
const floor = new FinetuneFloorRuns(model, photoFiles, missing.floor === undefined ? python : undefined);

/** A whole job, from the archive to the published version. @returns its seconds, and those of the head alone */
async function runJob(): Promise<{ seconds: number; head: number }> {
  const began = performance.now();
  let entered = Number.NaN;
  let head = 0;
  // A new name, so that there is no version in service to compare with.
  const key = randomUUID();
  const named = { ...options, name: `bench-${key}` };
  await trainer.train(named, dataset, key, {
    onProgress: ({ phase }) => {
      if (phase === 'training') entered ||= performance.now();
      else if (entered > 0 && head === 0) head = (performance.now() - entered) / 1000;
    },
    signal,
  });
  return { seconds: (performance.now() - began) / 1000, head };
}

/** Latencies in milliseconds of requests that are sent one after the other, until `stop` returns true. */
async function latencies(photos: readonly Buffer[], stop: () => boolean): Promise<number[]> {
  const measured: number[] = [];
  for (let i = 0; !stop(); i++) {
    const bytes = photos[i % photos.length] ?? Buffer.alloc(0);
    const began = performance.now();
    await services.classifier.classify({
      runtime: 'onnx',
      topK: 5,
      threshold: 0,
      images: [{ filename: 'photo', bytes }],
      signal,
    });
    measured.push(performance.now() - began);
  }
  return measured;
}

try {
  const report = await trainer.inspect(options, dataset, { onProgress: () => {}, signal });
  console.log(
    `${report.images.used} images, ${report.images.train} of them with ${options.augmentation.copies} augmented copies`,
  );
  const copies = report.images.train * options.augmentation.copies;
  console.log(`floor: ${await floor.describe()}`);
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { decoding, features } = await floor.measure(copies);
    await rm(join(dataDir, 'features'), { recursive: true, force: true });
    const { seconds, head } = await runJob();
    const least = decoding + features + head;
    ratios.push(seconds / least);
    console.log(
      `round ${round + 1}: floor ${least.toFixed(2)} s (decoding ${decoding.toFixed(2)}, features ` +
        `${features.toFixed(2)}, head ${head.toFixed(2)}), job ${seconds.toFixed(2)} s`,
    );
  }
  console.log(`job / floor, median of the rounds: ${median(ratios).toFixed(2)}`);
  console.log(`with cached features: ${(await runJob()).seconds.toFixed(2)} s`);

  const photos = await loadPhotos(existsSync('../shared/data/photos') ? '../shared/data/photos' : undefined);
  const until = (ms: number) => {
    const end = performance.now() + ms;
    return () => performance.now() > end;
  };
  await latencies(photos, until(1_000));
  const alone = median(await latencies(photos, until(5_000)));
  await rm(join(dataDir, 'features'), { recursive: true, force: true });
  let running = true;
  const job = runJob().finally(() => {
    running = false;
  });
  const beside = median(await latencies(photos, () => !running));
  await job;
  console.log(
    `median latency of classifications: ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside a job ` +
      `(${(beside / alone).toFixed(2)} times)`,
  );
} finally {
  floor.close();
  await services.close();
  await rm(dataDir, { recursive: true, force: true });
}
