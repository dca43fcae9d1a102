import { ModelPuller } from '../../src/acquire/pull/model-puller.ts';
import type { PullProgress } from '../../src/acquire/pull/pull-options.ts';
import { parseArguments, UsageError } from '../command-line.ts';
import { ProgressBar } from '../progress-bar.ts';
import type { Command } from './command.ts';
import { openZoo } from './open-zoo.ts';

/** Downloads the weights of models. */
export const pullModels: Command = {
  usage: 'pull <model> ... [options]',
  summary: 'Downloads the weights of models and verifies them. An interrupted pull resumes.',
  help: `  --mirror <folder or URL>   folder or server to take the files from
  --backbone-only            only the tensors that a fine-tune needs`,
  run: async (args) => {
    const { values, positionals } = parseArguments(args, {
      mirror: { type: 'string' },
      'backbone-only': { type: 'boolean', default: false },
    });
    if (positionals.length === 0) throw new UsageError('the model is missing; npm run zoo -- list shows all models');
    const { config, pulledDir } = await openZoo();
    const puller = new ModelPuller({
      seedDir: config.zooDir,
      pulledDir,
      settings: config.downloads,
    });
    const interrupted = new AbortController();
    process.once('SIGINT', () => interrupted.abort(new Error('the pull was interrupted; the next one resumes here')));
    for (const name of positionals) {
      const start = performance.now();
      const show = new PullDisplay(name);
      try {
        const { model, fetched } = await puller.pull(name, {
          mirror: values.mirror,
          backboneOnly: values['backbone-only'],
          onProgress: (progress) => show.update(progress),
          signal: interrupted.signal,
        });
        show.end();
        const seconds = ((performance.now() - start) / 1000).toFixed(1);
        const size = megabytes(model.manifest.file.weights.size_bytes).toFixed(1);
        console.log(fetched ? `${name}: pulled ${size} MB in ${seconds} s` : `${name}: already here, verified`);
      } finally {
        show.end();
      }
    }
  },
};

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
