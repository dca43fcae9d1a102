import type { Job, JobProgress, JobProgressEvent, JobStateEvent } from '../../api/schema.ts';

export interface JobListener {
  readonly onProgress: (progress: JobProgress) => void;
  readonly onState: (state: Job['state']) => void;
  /** Told when the stream breaks and when it is back. */
  readonly onConnection: (connected: boolean) => void;
}

/** Follows a job by its server-sent events, from the first that is kept. The browser reconnects by itself. @returns ends it */
export function followJob(id: string, { onProgress, onState, onConnection }: JobListener): () => void {
  const source = new EventSource(`/jobs/${encodeURIComponent(id)}/events`);
  source.addEventListener('progress', ({ data }) => onProgress((JSON.parse(data) as JobProgressEvent).progress));
  source.addEventListener('state', ({ data }) => {
    const { state } = JSON.parse(data) as JobStateEvent;
    if (isOver(state)) source.close();
    onState(state);
  });
  source.addEventListener('open', () => onConnection(true));
  source.addEventListener('error', () => onConnection(false));
  return () => source.close();
}

export function isOver(state: Job['state']): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}
