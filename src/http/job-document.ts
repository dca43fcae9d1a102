import type { JsonObject } from '../common/json.ts';
import type { TrainingProgress } from '../finetuning/training-task.ts';
import type { Job, JobEvent, JobProgress } from '../jobs/job-queue.ts';

/** Where each phase lies in a whole job, 0..1: about what it takes of one with default settings. */
const PHASE_SPANS: Readonly<Record<TrainingProgress['phase'], readonly [from: number, to: number]>> = {
  reading: [0, 0.02],
  inspecting: [0.02, 0.35],
  augmenting: [0.35, 0.85],
  searching: [0.85, 0.9],
  training: [0.9, 0.95],
  evaluating: [0.95, 0.98],
  exporting: [0.98, 1],
};

/** A job as `openapi.yaml` has it: `Job`. */
export function jobDocument(job: Job): JsonObject {
  return {
    id: job.id,
    state: job.state,
    // What a job reported last may lie before its end.
    progress: job.progress && {
      ...progressDocument(job.progress),
      ...(job.state === 'succeeded' && { fraction: 1 }),
    },
    result: job.result,
    failure: job.failure && { ...job.failure },
    attempts: job.attempts,
    cancel_requested: job.cancelRequested,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    options: job.payload,
  };
}

/** The data of an event of a job's stream: `JobStateEvent` or `JobProgressEvent`. */
export function eventDocument({ at, data }: JobEvent): JsonObject {
  if (data.type === 'state') return { at, state: data.state, failure: data.failure && { ...data.failure } };
  return { at, progress: progressDocument(data.progress) };
}

function progressDocument(progress: JobProgress): JsonObject {
  const [from, to] = spanOf(progress.phase);
  const { done, total } = progress;
  const share = typeof done === 'number' && typeof total === 'number' && total > 0 ? Math.min(1, done / total) : 0;
  return { fraction: Math.round((from + share * (to - from)) * 1e4) / 1e4, ...progress };
}

/** A job that an older or newer server left may name another phase. */
function spanOf(phase: string): readonly [number, number] {
  return Object.entries(PHASE_SPANS).find(([known]) => known === phase)?.[1] ?? [0, 0];
}
