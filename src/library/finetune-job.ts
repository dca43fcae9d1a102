import { EventEmitter, once } from 'node:events';
import type { TrainingPhase, TrainingProgress } from '../finetuning/training-progress.ts';
import type { TrainingOptions } from './finetune-options.ts';

/** Options of `finetune`. */
export interface FinetuneOptions extends TrainingOptions {
  /** Name of the model: lower-case letters, digits, `_` and `-`. A new version is added when it is there already. */
  readonly name: string;
  /** Called with every step. */
  readonly onProgress?: (progress: FinetuneProgress) => void;
  /** Cancels the training; `result` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Options of `distill`. */
export interface DistillOptions {
  /** The model whose answers are learnt. */
  readonly teacher: string;
  /** The model that learns them: a ResNet, VGG or Inception, or any other with `depth: 'head'`. */
  readonly student: string;
  /** Name of the new model. Default: student and teacher without what follows the dots, such as `resnet18-resnet50`. */
  readonly name?: string;
  /** What is trained of the student. Default `last_stage`. */
  readonly depth?: 'head' | 'last_stage';
  /** Softens the probabilities of both, so that the teacher's unlikely classes count too; 1 to 20. Default 2. */
  readonly temperature?: number;
  /** Most epochs, of the head and of the last stage. */
  readonly epochs?: number;
  /** Default 0. */
  readonly seed?: number;
  /** When the bare name of the model means the new version. Default `always`. */
  readonly promote?: 'always' | 'if_better' | 'never';
  /** Called with every step. */
  readonly onProgress?: (progress: FinetuneProgress) => void;
  /** Cancels the training; `result` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How far a fine-tune is. Numbers that a phase does not have are absent. */
export interface FinetuneProgress {
  readonly phase: TrainingPhase;
  /** Images, copies, corrupted images, candidates or epochs of this phase that are done, and in all. */
  readonly done?: number;
  readonly total?: number;
  /** Estimate for this phase, in seconds. */
  readonly secondsLeft?: number;
  /** Cross-entropy in nats, and accuracy from 0 to 1, on the training images. */
  readonly loss?: number;
  readonly accuracy?: number;
  /** The same on the validation images. */
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
  /** Rung of a thorough search, from 1, the number of rungs, and the best accuracy of this rung so far. */
  readonly rung?: number;
  readonly rungs?: number;
  readonly bestAccuracy?: number;
}

/** A version that was trained and can be used at once. */
export interface FinetuneResult {
  readonly model: string;
  readonly version: number;
  /** Whether the bare name of the model now means this version. */
  readonly promoted: boolean;
  /** Accuracy on held-out images, 0 to 1; absent when there are none. Of a distillation, the agreement with the teacher. */
  readonly accuracy?: number;
  /** Accuracy of the version that the bare name meant before, on the same images. */
  readonly previousAccuracy?: number;
  /** What the results mean, the most important finding first. */
  readonly verdict: readonly { readonly level: 'good' | 'caution' | 'bad'; readonly text: string }[];
  /** What to do to improve the model. */
  readonly nextSteps: readonly string[];
}

/** A fine-tune that runs. Iterating over it gives its progress until it ends, however it ends. */
export interface FinetuneJob extends AsyncIterable<FinetuneProgress> {
  /** The new version. Rejects with a `MenagerieError`, or when the job was cancelled. */
  readonly result: Promise<FinetuneResult>;
  /** Stops the training and waits until nothing is left of it. `result` rejects with an `AbortError`. */
  cancel(): Promise<void>;
}

/** Runs a training and tells those who iterate over it how far it is. */
export class RunningFinetune implements FinetuneJob {
  readonly result: Promise<FinetuneResult>;
  readonly #cancelled = new AbortController();
  readonly #changes = new EventEmitter<{ step: [FinetuneProgress]; change: [] }>();
  #latest: FinetuneProgress = { phase: 'reading' };
  #ended = false;

  /** @param train begins at once; rejects with the reason of its signal when that is aborted */
  constructor(
    { onProgress, signal }: Pick<FinetuneOptions, 'onProgress' | 'signal'>,
    train: (control: {
      onProgress: (progress: TrainingProgress) => void;
      signal: AbortSignal;
    }) => Promise<FinetuneResult>,
  ) {
    this.#changes.setMaxListeners(0);
    const { signal: cancelled } = this.#cancelled;
    const training = train({
      signal: signal === undefined ? cancelled : AbortSignal.any([signal, cancelled]),
      onProgress: (progress) => {
        this.#latest = progressOf(progress);
        this.#changes.emit('step', this.#latest);
        this.#changes.emit('change');
        onProgress?.(this.#latest);
      },
    });
    this.result = training.finally(() => {
      this.#ended = true;
      this.#changes.emit('change');
    });
    // Whoever only iterates shall not end the process; whoever asks for the result gets the error.
    this.result.catch(() => undefined);
  }

  async cancel(): Promise<void> {
    this.#cancelled.abort(new DOMException('the fine-tune was cancelled', 'AbortError'));
    await this.result.catch(() => undefined);
  }

  /** Yields every phase; of the steps within one, a reader that is slower than the training gets the latest. */
  async *[Symbol.asyncIterator](): AsyncGenerator<FinetuneProgress> {
    const waiting = [this.#latest];
    const take = (progress: FinetuneProgress): void => {
      if (waiting.at(-1)?.phase === progress.phase) waiting.pop();
      waiting.push(progress);
    };
    this.#changes.on('step', take);
    try {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else if (this.#ended) return;
        else await once(this.#changes, 'change');
      }
    } finally {
      this.#changes.off('step', take);
    }
  }
}

/** A step of a training in the words of the library. */
export function progressOf({
  phase,
  done,
  total,
  seconds_left,
  loss,
  accuracy,
  ...more
}: TrainingProgress): FinetuneProgress {
  const all = {
    done,
    total,
    secondsLeft: seconds_left,
    loss,
    accuracy,
    validationLoss: more.val_loss,
    validationAccuracy: more.val_accuracy,
    rung: more.rung,
    rungs: more.rungs,
    bestAccuracy: more.best_accuracy,
  };
  return { phase, ...Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) };
}
