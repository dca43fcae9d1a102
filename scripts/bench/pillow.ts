import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../../scripts/bench/pillow_cost.py', import.meta.url));

/** A round of work. `side` is the shorter side of the resized photo, `crop` that of the part that is kept. */
export interface PillowRound {
  readonly files: readonly string[];
  readonly side: number;
  readonly crop: number;
  /** Whether JPEGs may be decoded at a fraction of their size. */
  readonly draft: boolean;
}

/** A process of Python that prepares photos with Pillow on one thread. */
export class Pillow {
  readonly #process;
  readonly #lines;

  /** @param python the command of a Python with Pillow */
  constructor(python: string) {
    this.#process = spawn(python, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Milliseconds of CPU time for all files. @throws Error when Python or Pillow is missing */
  async measure(round: PillowRound): Promise<number> {
    this.#process.stdin.write(`${JSON.stringify(round)}\n`);
    const { value } = await this.#lines.next();
    if (value === undefined) throw new Error('Python ended: --python takes the path of one that has Pillow');
    return Number(value);
  }

  close(): void {
    this.#process.stdin.end();
  }
}
