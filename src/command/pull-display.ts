import type { PullProgress } from '../acquire/pull/pull-options.ts';
import { ProgressBar } from './progress-bar.ts';

/** Shows a progress bar for each phase, with the speed over the last seconds. */
export class PullDisplay {
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

/** Bytes as megabytes. */
export function megabytes(bytes: number): number {
  return bytes / 1e6;
}
