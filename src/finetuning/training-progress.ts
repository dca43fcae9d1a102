import type { Epoch } from './head/training-loop.ts';

/** The phases of a training, in their order; a training has no more than it needs. */
export type TrainingPhase =
  | 'reading'
  | 'inspecting'
  | 'corrupting'
  | 'augmenting'
  | 'searching'
  | 'training'
  | 'training_last_stage'
  | 'evaluating'
  | 'exporting';

/** How far a training is. Numbers that a phase does not have are absent. */
export interface TrainingProgress {
  readonly phase: TrainingPhase;
  /** Images, copies, corrupted images, fits or epochs of this phase. */
  readonly done?: number;
  readonly total?: number;
  /** Feature vectors of this training that are on disk; if it starts again, it has them. */
  readonly kept?: number;
  /** Estimate for this phase, from its speed so far. */
  readonly seconds_left?: number;
  readonly loss?: number;
  readonly accuracy?: number;
  readonly val_loss?: number;
  readonly val_accuracy?: number;
  /** Rung of a thorough search, from 1, the number of rungs, and the best accuracy of this rung so far. */
  readonly rung?: number;
  readonly rungs?: number;
  readonly best_accuracy?: number;
}

/** Called with every step of a training. */
export type OnProgress = (progress: TrainingProgress) => void;

/** Measures the phases of a training. */
export class PhaseClock {
  readonly #seconds: Record<string, number> = {};
  #phase = 'reading';
  #since = performance.now();

  /** Begins a phase and ends the one before, unless they are the same. */
  enter(phase: string): void {
    if (phase === this.#phase) return;
    const now = performance.now();
    this.#seconds[this.#phase] = (this.#seconds[this.#phase] ?? 0) + (now - this.#since) / 1000;
    this.#phase = phase;
    this.#since = now;
  }

  /** Durations of the phases that have ended, in seconds, rounded to a millisecond. */
  seconds(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.#seconds).map(([phase, seconds]) => [phase, Math.round(seconds * 1000) / 1000]),
    );
  }
}

/** Estimates the rest of a phase that begins now, from its speed so far. */
export function phaseTimer(): (done: number, total: number) => { readonly seconds_left: number } {
  const start = performance.now();
  return (done, total) => {
    const msPerItem = (performance.now() - start) / done;
    return { seconds_left: Math.round((msPerItem * (total - done)) / 100) / 10 };
  };
}

/** Reports epochs, and within them how long the rest of the phase takes at most. */
export function stageProgress(onProgress: OnProgress, phase: 'training' | 'training_last_stage') {
  const timer = phaseTimer();
  let figures: Partial<TrainingProgress> = {};
  return {
    onEpoch: ({ epoch, epochs, loss, accuracy, valLoss, valAccuracy }: Epoch): void => {
      figures = {
        done: epoch,
        total: epochs,
        loss,
        accuracy,
        ...(valLoss !== undefined && { val_loss: valLoss }),
        ...(valAccuracy !== undefined && { val_accuracy: valAccuracy }),
      };
      onProgress({ phase, ...figures });
    },
    /** Only of long phases: each report of a short one would be a point of its curve. */
    ...(phase === 'training_last_stage' && {
      onStep: (done: number): void => onProgress({ phase, ...figures, ...timer(done, 1) }),
    }),
  };
}
