/** Width of the bar in characters. */
const WIDTH = 30;
/** Shortest time between two updates of a terminal, in milliseconds. */
const REDRAW_MS = 80;
/** Shortest time between two lines elsewhere, in milliseconds: a log shall not fill with them. */
const LINE_MS = 5_000;

/** Progress on standard error: a bar with the remaining time on a terminal, a line now and then elsewhere. */
export class ProgressBar {
  readonly #unit: string;
  readonly #start = performance.now();
  #drawn: number;
  /** Items that were done at the first update, which do not count for the speed. */
  #before: number | undefined;

  /** @param unit what is counted, such as `images` */
  constructor(unit: string) {
    this.#unit = unit;
    // What ends within seconds needs no line.
    this.#drawn = process.stderr.isTTY ? Number.NEGATIVE_INFINITY : this.#start;
  }

  /** @param note text after the numbers, such as a loss or a speed */
  update(done: number, total: number, note = ''): void {
    const now = performance.now();
    this.#before ??= done === total ? 0 : done;
    const here = done - this.#before;
    const left = here <= 0 ? '' : `${Math.ceil(((now - this.#start) / here) * (total - done) * 1e-3)} s left`;
    const counts = [`${done}/${total} ${this.#unit}`, left, note].filter((part) => part !== '');
    if (!process.stderr.isTTY) {
      if (now - this.#drawn < LINE_MS) return;
      this.#drawn = now;
      process.stderr.write(`${counts.join(', ')}\n`);
      return;
    }
    if (now - this.#drawn < REDRAW_MS && done < total) return;
    this.#drawn = now;
    const share = total === 0 ? 1 : done / total;
    const bar = '█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '░');
    process.stderr.write(`\r${bar} ${counts.join('  ')}\x1b[K`);
  }

  /** Clears the bar. */
  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}
