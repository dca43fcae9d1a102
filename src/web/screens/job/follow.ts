import { followEvents } from '../../api/events.ts';
import type { Job, JobProgress, JobProgressEvent, JobStateEvent } from '../../api/schema.ts';

export interface JobListener {
  readonly onProgress: (progress: JobProgress) => void;
  readonly onState: (state: Job['state']) => void;
  /** Called when the stream breaks (false) and when it is back (true). */
  readonly onConnection: (connected: boolean) => void;
}

/** Follows a job by its events, from the first one that the server keeps. @returns a function that ends it */
export function followJob(id: string, { onProgress, onState, onConnection }: JobListener): () => void {
  const stop = followEvents(
    `/jobs/${encodeURIComponent(id)}/events`,
    {
      progress: (event) => onProgress((event as JobProgressEvent).progress),
      state: (event) => {
        const { state } = event as JobStateEvent;
        if (isOver(state)) stop();
        onState(state);
      },
    },
    onConnection,
  );
  return stop;
}

export function isOver(state: Job['state']): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}
