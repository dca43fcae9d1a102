/**
 * A whole fine-tune against its floor: npm run bench:finetune -- <zip> [--backbone a] [--rounds 3]
 *
 * The floor is decoding, varying and one forward pass (scripts/bench/finetune-floor.ts); job and floor take turns. Then the
 * same job again, on cached features; and what a running job does to the latency of `/classify`.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { parseFinetuneOptions } from '../src/finetuning/finetune-options.ts';
import { createFinetuner, createServices } from '../src/services.ts';
import { ask, start } from './bench/child.ts';
import type { FinetuneFloorTask } from './bench/finetune-floor.ts';
import { median } from './bench/measurement.ts';
import { loadPhotos } from './bench/photos.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { backbone: { type: 'string' }, rounds: { type: 'string', default: '3' } },
});
const [dataset] = positionals;
if (dataset === undefined) {
  console.error('usage: npm run bench:finetune -- <zip> [--backbone <model>] [--rounds 3]');
  process.exit(2);
}

const dataDir = await mkdtemp(join(tmpdir(), 'menagerie-bench-'));
const config = readConfig({ ...process.env, DATA_DIR: dataDir });
const logger = createLogger('error');
const services = await createServices(config, logger);
const finetuner = createFinetuner(services, config, logger, dataDir);
const options = parseFinetuneOptions({ name: 'bench', backbone: values.backbone });
const backbone = services.registry.resolve(options.backbone ?? config.defaultBackbone);
const { onnx } = await services.conversions.get(backbone);
const { signal } = new AbortController();

/** Seconds of a whole job, from the archive to the published version. */
async function runJob(): Promise<number> {
  const began = performance.now();
  // A name of its own: there is no version in service to be compared with.
  const key = randomUUID();
  const named = { ...options, name: `bench-${key}` };
  await finetuner.train(named, dataset ?? '', key, { onProgress: () => {}, signal });
  return (performance.now() - began) / 1000;
}

async function runFloor(varied: number): Promise<number> {
  const child = start('finetune-floor.js');
  const task: FinetuneFloorTask = {
    model: { name: backbone.name, onnxPath: onnx.path, preprocessing: backbone.manifest.preprocessing, labels: [] },
    datasetPath: dataset ?? '',
    augmentation: options.augmentation,
    varied,
  };
  const seconds = await ask<number>(child, task);
  child.disconnect();
  return seconds;
}

/** Milliseconds of each request, one after the other, until told to stop. */
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
  const report = await finetuner.inspect(options, dataset, { onProgress: () => {}, signal });
  console.log(
    `${report.images.used} images, ${report.images.train} of them with ${options.augmentation.copies} copies`,
  );
  const floors: number[] = [];
  const jobs: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    floors.push(await runFloor(report.images.train));
    await rm(join(dataDir, 'features'), { recursive: true, force: true });
    jobs.push(await runJob());
    console.log(`round ${round + 1}: floor ${floors.at(-1)?.toFixed(2)} s, job ${jobs.at(-1)?.toFixed(2)} s`);
  }
  const ratio = median(jobs.map((job, round) => job / (floors[round] ?? Number.NaN)));
  console.log(`job / floor, median of the rounds: ${ratio.toFixed(2)}`);
  console.log(`again, on cached features: ${(await runJob()).toFixed(2)} s`);

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
    `classify, one after the other, p50: alone ${alone.toFixed(1)} ms, beside a job ${beside.toFixed(1)} ms ` +
      `(${(beside / alone).toFixed(2)} times)`,
  );
} finally {
  await services.close();
  await rm(dataDir, { recursive: true, force: true });
}
