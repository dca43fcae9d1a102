/** Cells of the bar itself. */
const WIDTH = 30;
/** A terminal is redrawn at most this often, in milliseconds. */
const REDRAW_MS = 80;

/** A progress bar with the time left on standard error; where that is no terminal, nothing is drawn. */
export class ProgressBar {
  readonly #what: string;
  readonly #start = performance.now();
  #drawn = Number.NEGATIVE_INFINITY;
  /** What was done before the first update says nothing of the speed. */
  #before: number | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  /** `note` stands behind the numbers: a loss, a speed. */
  update(done: number, total: number, note = ''): void {
    const now = performance.now();
    this.#before ??= done === total ? 0 : done;
    const here = done - this.#before;
    if (!process.stderr.isTTY || (now - this.#drawn < REDRAW_MS && done < total)) return;
    this.#drawn = now;
    const share = total === 0 ? 1 : done / total;
    const left = here <= 0 ? '' : `${Math.ceil(((now - this.#start) / here) * (total - done) * 1e-3)} s left`;
    const bar = '█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '░');
    process.stderr.write(`\r${bar} ${done}/${total} ${this.#what} ${left} ${note}\x1b[K`);
  }

  /** Takes the bar away, so that what is printed next stands at the start of the line. */
  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}
