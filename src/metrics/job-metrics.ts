import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { JOB_OUTCOMES, type JobObserver } from './job-observer.ts';

/** What became of an uploaded data set: the client went away, or it was refused, or it was taken. */
export type UploadOutcome = 'taken' | 'refused' | 'aborted';
type PullOutcome = 'done' | 'failed' | 'cancelled';

/** Values that are read at each scrape. */
export interface JobSources {
  /** Jobs that are kept; only the states `queued` and `running` are counted. */
  readonly jobs: () => Promise<readonly { readonly state: string }[]>;
}

/** Metrics of work that takes long. */
export interface JobMetrics extends JobObserver {
  /** Counts an upload that begins. @returns counts its end and the bytes that arrived */
  startUpload(): (outcome: UploadOutcome, bytes: number) => void;
  /** Counts a pull that begins. @returns counts its end */
  startPull(): (outcome: PullOutcome) => void;
}

/** Buckets in seconds: from a second run on kept features to hours. */
const JOB_SECONDS = [1, 5, 15, 60, 300, 900, 3_600, 14_400];
const COUNTED_STATES = ['queued', 'running'] as const;

/** Creates the metrics of jobs, uploads and pulls; `watch` adds those that are read at each scrape. */
export function createJobMetrics(registers: Registry[]): { metrics: JobMetrics; watch(sources: JobSources): void } {
  const counter = <Label extends string>(name: string, help: string, label: Label, values: readonly string[]) => {
    const created = new Counter<string>({ name, help, labelNames: [label], registers });
    // There from the start: a rate of a series that appears with its first event misses that event.
    for (const value of values) created.inc({ [label]: value }, 0);
    return created;
  };
  const ended = counter('menagerie_jobs_ended_total', 'Attempts at fine-tunes by outcome', 'outcome', JOB_OUTCOMES);
  const durations = new Histogram({
    name: 'menagerie_job_duration_seconds',
    help: 'Time of an attempt at a fine-tune, without its wait in the queue',
    buckets: JOB_SECONDS,
    registers,
  });
  const phases = new Counter({
    name: 'menagerie_job_phase_seconds_total',
    help: 'Time of fine-tunes in each phase',
    labelNames: ['phase'],
    registers,
  });
  const uploads = counter('menagerie_uploads_total', 'Uploaded data sets by outcome', 'outcome', [
    'taken',
    'refused',
    'aborted',
  ]);
  const uploadedBytes = new Counter({
    name: 'menagerie_uploaded_bytes_total',
    help: 'Bytes of data sets that have arrived',
    registers,
  });
  const uploadsInFlight = new Gauge({
    name: 'menagerie_uploads_in_flight',
    help: 'Data sets that are arriving; MAX_UPLOADS limits them',
    registers,
  });
  const pulls = counter('menagerie_pulls_total', 'Pulled models by outcome', 'outcome', [
    'done',
    'failed',
    'cancelled',
  ]);
  const pullsInFlight = new Gauge({
    name: 'menagerie_pulls_in_flight',
    help: 'Models that are being pulled',
    registers,
  });

  return {
    metrics: {
      startJob: () => {
        const startedAt = performance.now();
        let phase: string | undefined;
        let phaseSince = startedAt;
        const leave = (next: string | undefined): void => {
          const now = performance.now();
          if (phase !== undefined) phases.inc({ phase }, (now - phaseSince) / 1_000);
          phase = next;
          phaseSince = now;
        };
        return {
          phase: leave,
          end: (outcome) => {
            leave(undefined);
            ended.inc({ outcome });
            durations.observe((performance.now() - startedAt) / 1_000);
          },
        };
      },
      startUpload: () => {
        uploadsInFlight.inc();
        return (outcome, bytes) => {
          uploadsInFlight.dec();
          uploads.inc({ outcome });
          uploadedBytes.inc(bytes);
        };
      },
      startPull: () => {
        pullsInFlight.inc();
        return (outcome) => {
          pullsInFlight.dec();
          pulls.inc({ outcome });
        };
      },
    },
    watch: ({ jobs }) => {
      new Gauge({
        name: 'menagerie_jobs',
        help: 'Fine-tunes that wait or run',
        labelNames: ['state'],
        registers,
        async collect() {
          // While the disk of the queue fails, its last numbers stand; health checks say so.
          const known = await jobs().catch(() => undefined);
          if (known === undefined) return;
          for (const state of COUNTED_STATES) this.set({ state }, known.filter((job) => job.state === state).length);
        },
      });
    },
  };
}
