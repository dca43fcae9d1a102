import { SHARE_ENV, Worker } from 'node:worker_threads';
import { compiledEntry } from '../../common/compiled-entry.ts';
import type { PixelTensor } from '../../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs, Session, SessionSource } from '../../runtime/session.ts';

/** Message to the thread. */
export interface SessionRequest {
  readonly id: number;
  readonly pixels: PixelTensor;
  readonly outputs: readonly AnswerName[];
  readonly classes: ExplainedClasses | undefined;
}

/** Message from the thread; the first is `ready`. */
export type SessionReply =
  | ({ readonly type: 'ready' } & Pick<Session, 'runtime' | 'backend' | 'version' | 'rejected'>)
  | { readonly type: 'ran'; readonly id: number; readonly outputs: Outputs }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string };

interface Pending {
  readonly resolve: (outputs: Outputs) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Opens a session in a thread of its own: ONNX Runtime blocks the thread that calls it while it computes. Close it only
 * when nothing runs, since a thread that ends in the middle of a run takes the process with it.
 * @throws Error when the model cannot be loaded or the thread ends before it is
 */
export function openSessionThread(source: SessionSource): Promise<Session> {
  return new Promise((resolve, reject) => {
    // The runtime reads variables of the process, of which a thread otherwise has a copy.
    const entry = compiledEntry(import.meta.url, 'session-worker.js');
    const worker = new Worker(entry, { workerData: source, env: SHARE_ENV });
    const pending = new Map<number, Pending>();
    let lastId = 0;
    let failure: Error | undefined;
    const fail = (error: Error): void => {
      failure ??= error;
      reject(failure);
      for (const request of pending.values()) request.reject(failure);
      pending.clear();
    };
    const run: Session['run'] = (pixels, outputs, classes) =>
      new Promise((resolveRun, rejectRun) => {
        if (failure !== undefined) return rejectRun(failure);
        const id = ++lastId;
        pending.set(id, { resolve: resolveRun, reject: rejectRun });
        worker.postMessage({ id, pixels, outputs, classes } satisfies SessionRequest);
      });
    const close = async (): Promise<void> => {
      await worker.terminate();
    };
    worker.on('message', (reply: SessionReply) => {
      if (reply.type === 'ready') {
        const { runtime, backend, version, rejected } = reply;
        resolve({ runtime, backend, version, rejected, run, close });
        return;
      }
      const request = pending.get(reply.id);
      pending.delete(reply.id);
      if (reply.type === 'ran') request?.resolve(reply.outputs);
      else request?.reject(new Error(reply.reason));
    });
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`the thread of a session ended with code ${code}`)));
  });
}
