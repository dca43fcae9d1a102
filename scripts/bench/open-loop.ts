import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { start } from './child.ts';
import type { OpenLoopReport, OpenLoopTask } from './open-loop-client.ts';

/** Offers requests at the times of a Poisson process; see scripts/bench/open-loop-client.ts. */
export class OpenLoop {
  readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  /** @param photos a folder of JPEGs */
  static async start(photos: string): Promise<OpenLoop> {
    const child = start('open-loop-client.js', [photos]);
    await once(child, 'message');
    return new OpenLoop(child);
  }

  /** Reports as they come; the last one when all requests are answered. @throws Error when the process ends before */
  async *offer(task: OpenLoopTask): AsyncGenerator<OpenLoopReport> {
    const reports: OpenLoopReport[] = [];
    let wake = (): void => undefined;
    let ended: number | null | undefined;
    const onMessage = (report: OpenLoopReport): void => {
      reports.push(report);
      wake();
    };
    const onExit = (code: number | null): void => {
      ended = code;
      wake();
    };
    this.child.on('message', onMessage).on('exit', onExit);
    try {
      this.child.send(task);
      for (;;) {
        const report = reports.shift();
        if (report === undefined) {
          if (ended !== undefined) throw new Error(`the client of the open loop ended with ${ended}`);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        yield report;
        if (report.isLast) return;
      }
    } finally {
      this.child.off('message', onMessage).off('exit', onExit);
    }
  }

  close(): void {
    this.child.disconnect();
  }
}
