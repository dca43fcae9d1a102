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
import { ask, start } from './bench/child.ts';
import type { FinetuneFloorTask } from './bench/finetune-floor.ts';
import { median } from './bench/measurement.ts';
import { loadPhotos } from './bench/photos.ts';
import { expectEnd, readCommandLine, required, wholeNumber } from './command-line.ts';

const USAGE = `usage: npm run bench:finetune -- <folder or zip> [options]

Compares the duration of a fine-tune with its floor: decoding, augmentation and one forward
pass of each image. Then measures the same job with cached features, and the latency of
classifications beside a job. The folder or zip has one folder per class.

  --backbone <model>   (default: the default backbone)
  --rounds <n>         measurements of each, taken in turns (default: 3)`;

const { dataset, backboneName, rounds } = readCommandLine(
  USAGE,
  { backbone: { type: 'string' }, rounds: { type: 'string', default: '3' } },
  ({ values, positionals: [path, ...rest] }) => {
    expectEnd(rest);
    return {
      dataset: required('the folder or zip', path),
      backboneName: values.backbone,
      rounds: wholeNumber('--rounds', values.rounds, 1),
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

/** Duration of a whole job in seconds, from the archive to the published version. */
async function runJob(): Promise<number> {
  const began = performance.now();
  // A new name, so that there is no version in service to compare with.
  const key = randomUUID();
  const named = { ...options, name: `bench-${key}` };
  await trainer.train(named, dataset, key, { onProgress: () => {}, signal });
  return (performance.now() - began) / 1000;
}

async function runFloor(augmented: number): Promise<number> {
  const child = start('finetune-floor.js');
  const task: FinetuneFloorTask = {
    model: { name: backbone.name, onnxPath: onnx.path, preprocessing: backbone.manifest.preprocessing, labels: [] },
    datasetPath: dataset,
    augmentation: options.augmentation,
    augmented,
  };
  const seconds = await ask<number>(child, task);
  child.disconnect();
  return seconds;
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
  const floors: number[] = [];
  const jobs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    floors.push(await runFloor(report.images.train));
    await rm(join(dataDir, 'features'), { recursive: true, force: true });
    jobs.push(await runJob());
    console.log(`round ${round + 1}: floor ${floors.at(-1)?.toFixed(2)} s, job ${jobs.at(-1)?.toFixed(2)} s`);
  }
  const ratio = median(jobs.map((job, round) => job / (floors[round] ?? Number.NaN)));
  console.log(`job / floor, median of the rounds: ${ratio.toFixed(2)}`);
  console.log(`with cached features: ${(await runJob()).toFixed(2)} s`);

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
  await services.close();
  await rm(dataDir, { recursive: true, force: true });
}
