import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { isFinished, type Job, type JobEvent } from '../../src/jobs/job-queue.ts';

const DRIVER = new URL('crash-driver.js', import.meta.url).pathname;

/** What the queue acknowledged to the killed processes, by job. */
export interface Acknowledged {
  readonly labels: Map<string, string>;
  readonly ends: Map<string, string>;
  readonly attempts: Map<string, number>;
  readonly steps: Map<string, number>;
}

export function nothingYet(): Acknowledged {
  return { labels: new Map(), ends: new Map(), attempts: new Map(), steps: new Map() };
}

/**
 * Lets a process work until it has printed `facts` acknowledgements, and kills it with SIGKILL.
 * @param onFact called with the number of each
 */
export async function workAndKill(
  driverArguments: readonly string[],
  facts: number,
  acknowledged: Acknowledged,
  onFact: (count: number) => void = () => {},
): Promise<void> {
  const child = spawn(process.execPath, [DRIVER, ...driverArguments], { stdio: ['ignore', 'pipe', 'inherit'] });
  const killedBy = new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal)));
  let lines = 0;
  for await (const line of createInterface(child.stdout)) {
    note(JSON.parse(line), acknowledged);
    lines += 1;
    onFact(lines);
    if (lines === facts) child.kill('SIGKILL');
  }
  expect(await killedBy).toBe('SIGKILL');
}

function note(fact: Record<string, unknown>, { labels, ends, attempts, steps }: Acknowledged): void {
  if (fact['enqueued']) labels.set(String(fact['enqueued']), String(fact['label']));
  if (fact['claimed']) attempts.set(String(fact['claimed']), Number(fact['attempts']));
  if (fact['progressed']) steps.set(String(fact['progressed']), Number(fact['step']));
  if (fact['ended']) ends.set(String(fact['ended']), String(fact['state']));
}

export function expectAcknowledged(
  { labels, ends, attempts, steps }: Acknowledged,
  jobs: ReadonlyMap<string, Job>,
): void {
  for (const [id, label] of labels) expect(jobs.get(id)?.payload).toEqual({ label });
  for (const [id, state] of ends) {
    expect(jobs.get(id)).toMatchObject({ state, result: state === 'succeeded' ? { of: id } : null });
  }
  for (const [id, count] of attempts) expect(jobs.get(id)?.attempts).toBeGreaterThanOrEqual(count);
  for (const [id, step] of steps) {
    if (jobs.get(id)?.attempts === attempts.get(id)) {
      expect(jobs.get(id)?.progress?.['step']).toBeGreaterThanOrEqual(step);
    }
  }
  for (const job of jobs.values()) {
    expect(job.state).not.toBe('running');
    if (job.state === 'failed') expect(job).toMatchObject({ attempts: 3, failure: { code: 'worker_lost' } });
  }
}

/** Ids rise, the last change of state is to the present state, and nothing follows the end. */
export function expectSoundLog({ state }: Job, events: readonly JobEvent[]): void {
  const ids = events.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  const states = events.flatMap(({ data }) => (data.type === 'state' ? [data.state] : []));
  expect(states.at(-1)).toBe(state);
  expect(states.slice(0, -1).some(isFinished)).toBe(false);
}

export async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
