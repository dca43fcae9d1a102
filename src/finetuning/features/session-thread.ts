import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../../common/compiled.ts';
import type { PixelTensor } from '../../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs, Session, SessionSource } from '../../runtime/session.ts';

/** What the thread is asked. */
export interface SessionRequest {
  readonly id: number;
  readonly pixels: PixelTensor;
  readonly outputs: readonly AnswerName[];
  readonly classes: ExplainedClasses | undefined;
}

/** What the thread answers; the first is `ready`. */
export type SessionReply =
  | ({ readonly type: 'ready' } & Pick<Session, 'runtime' | 'backend' | 'version' | 'rejected'>)
  | { readonly type: 'ran'; readonly id: number; readonly outputs: Outputs }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string };

interface Pending {
  readonly resolve: (outputs: Outputs) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Opens a session in a thread of its own: ONNX Runtime holds the thread that calls it for as long as it computes. Close
 * it only when nothing runs, since a thread that ends in the middle of a run takes the process with it.
 * @throws when the model cannot be loaded
 */
export async function openSessionThread(source: SessionSource): Promise<Session> {
  const worker = new Worker(compiledEntry(import.meta.url, 'session-worker.js'), { workerData: source });
  const [ready] = (await once(worker, 'message')) as [Extract<SessionReply, { type: 'ready' }>];
  const pending = new Map<number, Pending>();
  let lastId = 0;
  let failure: Error | undefined;
  worker.on('message', (reply: Exclude<SessionReply, { type: 'ready' }>) => {
    const request = pending.get(reply.id);
    pending.delete(reply.id);
    if (reply.type === 'ran') request?.resolve(reply.outputs);
    else request?.reject(new Error(reply.reason));
  });
  const fail = (error: Error): void => {
    failure ??= error;
    for (const { reject } of pending.values()) reject(failure);
    pending.clear();
  };
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`the thread of a session ended with code ${code}`)));
  const { runtime, backend, version, rejected } = ready;
  return {
    runtime,
    backend,
    version,
    rejected,
    run: (pixels, outputs, classes) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        const id = ++lastId;
        pending.set(id, { resolve, reject });
        worker.postMessage({ id, pixels, outputs, classes } satisfies SessionRequest);
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}
