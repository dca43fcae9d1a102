import { join } from 'node:path';
import type { PullProgress } from '../acquire/pull/pull-options.ts';
import { defineCommand } from './command.ts';
import { flag, text } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import { UsageError } from './usage-error.ts';

/** Downloads the weights of models. */
export const pull = defineCommand({
  usage: '<model> ...',
  options: {
    mirror: text('<folder or URL>', 'folder or server to take the files from'),
    'backbone-only': flag('only the tensors that a fine-tune needs'),
  },
  run: async ({ values, positionals }, { terminal, config: readConfig, signal }) => {
    if (positionals.length === 0) throw new UsageError('the model is missing; menagerie list shows all models');
    const { zooDir, dataDir, downloads } = await readConfig();
    const { ModelPuller } = await import('../acquire/pull/model-puller.ts');
    const puller = new ModelPuller({ seedDir: zooDir, pulledDir: join(dataDir, 'zoo'), settings: downloads });
    const pulled: object[] = [];
    for (const typed of positionals) {
      const start = performance.now();
      const show = new PullDisplay(typed);
      try {
        const { model, fetched } = await puller.pull(typed, {
          mirror: values.mirror,
          backboneOnly: values['backbone-only'],
          onProgress: (progress) => show.update(progress),
          signal,
        });
        show.end();
        const { name } = model;
        const seconds = (performance.now() - start) / 1000;
        const { size_bytes: bytes } = model.manifest.file.weights;
        const size = megabytes(bytes).toFixed(1);
        terminal.line(
          fetched ? `${name}: pulled ${size} MB in ${seconds.toFixed(1)} s` : `${name}: already here, verified`,
        );
        pulled.push({ model: name, fetched, bytes });
      } finally {
        show.end();
      }
    }
    terminal.document({ pulled });
    return undefined;
  },
});

/** Shows a progress bar for each phase, with the speed over the last seconds. */
class PullDisplay {
  readonly #name: string;
  #phase: string | undefined;
  #bar: ProgressBar | undefined;
  readonly #seen: { time: number; done: number }[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  update({ phase, done, total }: PullProgress): void {
    if (phase !== this.#phase) {
      this.end();
      this.#phase = phase;
      this.#seen.length = 0;
      this.#bar = new ProgressBar('MB');
      if (phase === 'wait') console.error(`${this.#name}: waiting for another pull of this model`);
    }
    if (done === undefined || total === undefined) return;
    const round = (bytes: number) => Math.round(10 * megabytes(bytes)) / 10;
    this.#bar?.update(round(done), round(total), `${this.#speed(done).toFixed(1)} MB/s`);
  }

  end(): void {
    this.#bar?.end();
    this.#bar = undefined;
  }

  #speed(done: number): number {
    const time = performance.now();
    this.#seen.push({ time, done });
    while (this.#seen.length > 2 && time - (this.#seen[0]?.time ?? 0) > 5_000) this.#seen.shift();
    const [first] = this.#seen;
    return first === undefined || time === first.time ? 0 : megabytes(done - first.done) / ((time - first.time) / 1000);
  }
}

function megabytes(bytes: number): number {
  return bytes / 1e6;
}
