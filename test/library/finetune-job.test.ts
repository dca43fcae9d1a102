import { describe, expect, it } from 'vitest';
import type { TrainingProgress } from '../../src/finetuning/training-progress.ts';
import { type FinetuneProgress, type FinetuneResult, RunningFinetune } from '../../src/library/finetune-job.ts';

const RESULT: FinetuneResult = { model: 'm', version: 1, promoted: true, verdict: [], nextSteps: [] };

interface Training {
  step(progress: TrainingProgress): void;
  finish(): void;
  fail(error: Error): void;
  readonly signal: AbortSignal;
}

/** A job whose training the test controls; like a real one it ends when its signal is aborted. */
function controlled(options: ConstructorParameters<typeof RunningFinetune>[0] = {}) {
  let training: Training | undefined;
  const job = new RunningFinetune(options, ({ onProgress, signal }) => {
    const { promise, resolve, reject } = withResolvers<FinetuneResult>();
    signal.addEventListener('abort', () => reject(signal.reason));
    training = { step: onProgress, finish: () => resolve(RESULT), fail: reject, signal };
    return promise;
  });
  if (training === undefined) throw new Error('the training did not begin at once');
  return { job, training };
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('a fine-tune', () => {
  it('tells every listener each step, in the words of the library', async () => {
    const seen: FinetuneProgress[] = [];
    const { job, training } = controlled({ onProgress: (progress) => seen.push(progress) });
    training.step({ phase: 'training', done: 1, total: 3, val_accuracy: 0.5, seconds_left: 2 });
    training.finish();
    expect(await job.result).toBe(RESULT);
    expect(seen).toEqual([{ phase: 'training', done: 1, total: 3, validationAccuracy: 0.5, secondsLeft: 2 }]);
  });

  it('yields its progress until it ends', async () => {
    const { job, training } = controlled();
    const phases: string[] = [];
    for await (const { phase } of job) {
      phases.push(phase);
      if (phase === 'reading') training.step({ phase: 'training' });
      else training.finish();
    }
    expect(phases).toEqual(['reading', 'training']);
  });

  it('skips steps for a slow reader, but no phase', async () => {
    const { job, training } = controlled();
    const seen: string[] = [];
    for await (const { phase, done } of job) {
      seen.push(`${phase} ${done}`);
      if (phase !== 'reading') continue;
      for (const done of [1, 2, 3]) training.step({ phase: 'inspecting', done });
      training.step({ phase: 'training', done: 1 });
      training.finish();
    }
    expect(seen).toEqual(['reading undefined', 'inspecting 3', 'training 1']);
  });

  it('ends the iteration of a failure too, whose reason the result has', async () => {
    const { job, training } = controlled();
    training.fail(new Error('too few images'));
    const phases: string[] = [];
    for await (const { phase } of job) phases.push(phase);
    expect(phases).toEqual(['reading']);
    await expect(job.result).rejects.toThrow('too few images');
  });

  it('is cancelled by its method, and by the signal of its options', async () => {
    const { job, training } = controlled();
    await job.cancel();
    expect(training.signal.aborted).toBe(true);
    await expect(job.result).rejects.toMatchObject({ name: 'AbortError' });

    const stop = new AbortController();
    const other = controlled({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(other.job.result).rejects.toThrow('enough');
  });
});
