/** Width of the bar in characters. */
const WIDTH = 30;
/** Shortest time between two updates of the terminal, in milliseconds. */
const REDRAW_MS = 80;

/** A progress bar with the remaining time on standard error. Draws nothing if that is not a terminal. */
export class ProgressBar {
  readonly #unit: string;
  readonly #start = performance.now();
  #drawn = Number.NEGATIVE_INFINITY;
  /** Items that were done at the first update, which do not count for the speed. */
  #before: number | undefined;

  constructor(unit: string) {
    this.#unit = unit;
  }

  /** @param note text after the numbers, such as a loss or a speed */
  update(done: number, total: number, note = ''): void {
    const now = performance.now();
    this.#before ??= done === total ? 0 : done;
    const here = done - this.#before;
    if (!process.stderr.isTTY || (now - this.#drawn < REDRAW_MS && done < total)) return;
    this.#drawn = now;
    const share = total === 0 ? 1 : done / total;
    const left = here <= 0 ? '' : `${Math.ceil(((now - this.#start) / here) * (total - done) * 1e-3)} s left`;
    const bar = '█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '░');
    process.stderr.write(`\r${bar} ${done}/${total} ${this.#unit} ${left} ${note}\x1b[K`);
  }

  /** Clears the bar. */
  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}
