import type { BackgroundReply } from './background-process.ts';
import { AppError, messageOf } from './errors.ts';
import { asStorageError } from './storage-error.ts';
import { startHeartbeat } from './watchdog.ts';

/** Milliseconds between reports within a phase: every message wakes the server, which writes it to disk. */
const PROGRESS_INTERVAL_MS = 200;

/** How far a task is: the first and last report of a phase, and those of each `step`, are always sent. */
interface Progress {
  readonly phase: string;
  readonly done?: number;
  readonly total?: number;
}

interface TaskControl<P extends Progress> {
  readonly onProgress: (progress: P) => void;
  /** Asks the parent, once; gives what `onQuestion` returned there. */
  readonly ask: () => Promise<unknown>;
}

/**
 * What a process of `runInBackground` does: takes one task, reports progress, answers and ends. It does not outlive its
 * parent.
 * @param stepwise phases whose reports are few, and each is a point of a curve: all of them are sent
 */
export function answerTask<Task, P extends Progress>(
  work: (task: Task, control: TaskControl<P>) => Promise<unknown>,
  stepwise: readonly string[] = [],
): void {
  startHeartbeat();
  // The server ends this process itself: a Ctrl-C in its terminal reaches the whole process group.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  // The channel closes when the server lets go, and also when the server is killed.
  process.on('disconnect', () => process.exit(0));
  process.once('message', (task: Task) => {
    void answer((control: TaskControl<P>) => work(task, control), stepwise).then((reply) =>
      process.send?.(reply, () => process.disconnect()),
    );
  });
}

async function answer<P extends Progress>(
  work: (control: TaskControl<P>) => Promise<unknown>,
  stepwise: readonly string[],
): Promise<BackgroundReply<P>> {
  const isDue = createPace(stepwise);
  const onProgress = (progress: P): void => {
    if (isDue(progress)) send({ type: 'progress', progress });
  };
  try {
    return { type: 'done', result: await work({ onProgress, ask }) };
  } catch (thrown) {
    if (thrown instanceof AppError) return failure(thrown);
    // The parent logs it, with the path of a file that could not be written.
    console.error(thrown);
    return failure(asStorageError(thrown) ?? new AppError('internal', messageOf(thrown)));
  }
}

function ask(): Promise<unknown> {
  return new Promise((resolve) => {
    process.once('message', ({ answer }: { readonly answer: unknown }) => resolve(answer));
    send({ type: 'question' });
  });
}

function send<P>(reply: BackgroundReply<P>): void {
  process.send?.(reply);
}

function failure({ code, message, context }: AppError): BackgroundReply<never> {
  return { type: 'failed', code, message, context };
}

/** Whether a progress is to be reported. */
function createPace(stepwise: readonly string[]): (progress: Progress) => boolean {
  let current = '';
  let reportedAt = Number.NEGATIVE_INFINITY;
  return ({ phase, done, total }) => {
    const now = performance.now();
    const always = stepwise.includes(phase) || phase !== current || done === total;
    if (!always && now - reportedAt < PROGRESS_INTERVAL_MS) return false;
    current = phase;
    reportedAt = now;
    return true;
  };
}
