import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname, join } from 'node:path';
import { openImageSource } from '../../src/finetuning/dataset/dataset.ts';
import type { BenchModel } from './bench-model.ts';
import { ask, start } from './child.ts';
import type { FinetuneFloorTask } from './finetune-floor-process.ts';
import { Pillow } from './pillow.ts';

const CORES = availableParallelism();
const BATCHES = [1, 4, 8, 16];
/** Images that each process computes to find the best setting, and to get going before. */
const TRIAL_IMAGES = 48;
const SCRIPT = 'finetune-floor-process.js';

/** What the machine needs at least for the images of a fine-tune, in seconds. */
export interface FinetuneFloor {
  /** Decoding of every photo, once. */
  readonly decoding: number;
  /** Features of the photos and of the copies. */
  readonly features: number;
}

interface Setting {
  readonly processes: number;
  readonly threads: number;
  readonly batch: number;
}

/**
 * The floor of a fine-tune: every photo is decoded once, and it and its copies run through the network, on all cores and
 * with nothing else: no augmentation, no digests, no caches. The photos are decoded by Pillow where Python has it, and
 * otherwise by our own decoder, called directly. The runtime has the processes, threads and batches that were fastest in
 * a trial. Its processes are started, and the network is loaded, before the time is taken.
 */
export class FinetuneFloorRuns {
  readonly #model: BenchModel;
  readonly #files: readonly string[];
  readonly #python: string | undefined;
  readonly #children: readonly ChildProcess[] = Array.from({ length: CORES }, () => start(SCRIPT));
  #best: Setting | undefined;

  /**
   * @param files paths of the photos
   * @param python the command of a Python with Pillow; undefined for our own decoder
   */
  constructor(model: BenchModel, files: readonly string[], python: string | undefined) {
    this.#model = model;
    this.#files = files;
    this.#python = python;
  }

  /** What the floor consists of. */
  async describe(): Promise<string> {
    const { processes, threads, batch } = await this.#setting();
    const decoder = this.#python === undefined ? 'our own decoder, called directly' : 'Pillow';
    return `${decoder}; ${processes} x ${threads} threads of ONNX Runtime, batches of ${batch}`;
  }

  /** @param copies number of augmented copies */
  async measure(copies: number): Promise<FinetuneFloor> {
    return {
      decoding: await this.#decode(),
      features: await this.#features(await this.#setting(), this.#files.length + copies),
    };
  }

  close(): void {
    for (const child of this.#children) child.disconnect();
  }

  async #decode(): Promise<number> {
    const parts = this.#children.map((_, part) => this.#files.filter((_file, index) => index % CORES === part));
    if (this.#python === undefined) {
      return this.#longest(parts.map((files) => ({ type: 'decode', files })));
    }
    const python = this.#python;
    const processes = parts.map(() => new Pillow(python));
    const [side] = this.#model.preprocessing.inputSize;
    const round = (files: readonly string[]) => ({ files, side, crop: side, draft: false });
    try {
      // The first photo starts Python.
      await Promise.all(processes.map((each) => each.measure(round(this.#files.slice(0, 1)))));
      const began = performance.now();
      await Promise.all(processes.map((each, part) => each.measure(round(parts[part] ?? []))));
      return (performance.now() - began) / 1000;
    } finally {
      for (const each of processes) each.close();
    }
  }

  #features({ processes, threads, batch }: Setting, images: number): Promise<number> {
    const { onnxPath, preprocessing } = this.#model;
    const network = { onnxPath, inputSize: preprocessing.inputSize, threads };
    return this.#longest(
      Array.from({ length: processes }, () => ({
        type: 'features',
        network,
        batch,
        images: Math.ceil(images / processes),
      })),
    );
  }

  async #setting(): Promise<Setting> {
    if (this.#best !== undefined) return this.#best;
    const splits = [{ processes: CORES, threads: 1 }, ...(CORES > 1 ? [{ processes: 1, threads: CORES }] : [])];
    let least = Number.POSITIVE_INFINITY;
    let best: Setting = { processes: CORES, threads: 1, batch: 1 };
    for (const setting of splits.flatMap((split) => BATCHES.map((batch) => ({ ...split, batch })))) {
      await this.#features(setting, TRIAL_IMAGES);
      const seconds = await this.#features(setting, TRIAL_IMAGES);
      if (seconds < least) {
        least = seconds;
        best = setting;
      }
    }
    this.#best = best;
    return best;
  }

  async #longest(tasks: readonly FinetuneFloorTask[]): Promise<number> {
    return Math.max(
      ...(await Promise.all(
        this.#children.flatMap((child, part) => {
          const task = tasks[part];
          return task === undefined ? [] : [ask<number>(child, task)];
        }),
      )),
    );
  }
}

/** Writes the photos of a folder or zip into a folder, so that every process can read them. @returns their paths */
export async function writeDatasetPhotos(datasetPath: string, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const source = await openImageSource(datasetPath);
  const paths: string[] = [];
  for (const file of source.files.filter(({ name }) => /\.(jpe?g|png)$/i.test(name))) {
    const path = join(folder, `${paths.length}${extname(file.name)}`);
    await writeFile(path, await source.read(file));
    paths.push(path);
  }
  await source.close();
  return paths;
}
