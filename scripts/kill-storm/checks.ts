import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ALIAS } from './actions.ts';
import type { Expectation, JobAnswer, Ledger } from './ledger.ts';
import { isFinished } from './ledger.ts';

interface Card {
  readonly id: string;
  readonly versions: readonly number[];
  readonly aliases: Readonly<Record<string, number>>;
}

/** Lives of a server that keep nothing new of a job, after which the job may fail. */
const MAX_IDLE_LIVES = 3;

/** Checks a server that has just started against the ledger. @returns what is wrong */
export async function faultsAfterRestart(url: string, ledger: Ledger, picture: Buffer): Promise<string[]> {
  const faults: string[] = [];
  const expect = (right: boolean, fault: string): void => {
    if (!right) faults.push(fault);
  };
  const classifies = async (model: string): Promise<string | undefined> => {
    const response = await fetch(`${url}/classify?model=${model}`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array(picture),
    });
    return response.ok ? undefined : `${model} does not classify: ${await response.text()}`;
  };
  const { models } = (await (await fetch(`${url}/models`)).json()) as { models: Card[] };
  const listed = new Set(models.flatMap(({ id, versions }) => versions.map((version) => `${id}@${version}`)));
  for (const reference of listed) {
    // Whatever is listed must load: its files are verified by digest before it answers.
    const fault = await classifies(reference);
    if (fault !== undefined) faults.push(fault);
  }
  for (const [key, expected] of ledger.versions) settle(ledger.versions, key, expected, listed.has(key), expect);
  for (const [name, expected] of ledger.imports) {
    settle(ledger.imports, name, expected, listed.has(`${name}@1`), expect);
  }
  for (const [name, allowed] of ledger.aliases) {
    const now = models.find(({ id }) => id === name)?.aliases[ALIAS] ?? 0;
    expect(allowed.includes(now), `${ALIAS} of ${name} points to ${now}, not to ${allowed.join(' or ')}`);
    ledger.aliases.set(name, [now]);
  }
  // Some were accepted although the answer never arrived.
  const { jobs } = (await (await fetch(`${url}/jobs`)).json()) as { jobs: JobAnswer[] };
  for (const job of jobs) if (!ledger.jobs.has(job.id)) ledger.note(job);
  for (const job of [...ledger.jobs.values()]) {
    const response = await fetch(`${url}/jobs/${job.id}`);
    expect(response.ok, `job ${job.id} is gone: ${response.status}`);
    if (!response.ok) continue;
    const now = (await response.json()) as JobAnswer;
    if (isFinished(job)) expect(now.state === job.state, `job ${job.id} was ${job.state} and is ${now.state}`);
    ledger.note(now);
  }
  return faults;
}

/** Compares one thing with what is expected of it; what could have been either is known from now on. */
function settle(
  things: Map<string, Expectation>,
  key: string,
  expected: Expectation,
  there: boolean,
  expect: (right: boolean, fault: string) => void,
): void {
  if (expected !== 'either') expect(there === (expected === 'present'), `${key} must be ${expected}`);
  things.set(key, there ? 'present' : 'absent');
}

/** Jobs that did not end as they should: they succeed, unless several lives of the server added nothing to them. */
export function jobFaults(ledger: Ledger): string[] {
  return [...ledger.jobs.values()].flatMap(({ id, state, failure, attempts }) => {
    if (state === 'succeeded') return [];
    const lives = ledger.progress.get(id) ?? [];
    const idle = new Set(lives.slice(-MAX_IDLE_LIVES)).size === 1 && lives.length >= MAX_IDLE_LIVES;
    if (failure?.code === 'worker_lost' && idle) return [];
    return [`job ${id} is ${state} after ${attempts} attempts (${failure?.code}: ${failure?.message}); ${lives}`];
  });
}

/** What remains in the data folder of a server that has nothing to do, and should not. */
export async function leftovers(dataDir: string): Promise<string[]> {
  const entries = async (...path: string[]): Promise<string[]> =>
    (await readdir(join(dataDir, ...path)).catch(() => [])).map((name) => join(...path, name));
  const jobs = await Promise.all((await readdir(join(dataDir, 'jobs'))).map((id) => entries('jobs', id)));
  const archives = jobs.flat().filter((path) => path.endsWith('archive'));
  const layers = (await entries('features')).filter((path) => path.startsWith(join('features', 'layers-')));
  const hidden = (await entries('zoo')).filter((path) => path.includes('/.') && !path.endsWith('.pulling'));
  const inHidden = (await Promise.all(hidden.map((path) => entries(path)))).flat();
  return [
    ...(await entries('work')),
    ...(await entries('uploads')),
    ...(await entries('models', '.staging')),
    ...(await entries('converted', '.staging')),
    ...archives,
    ...layers,
    ...inHidden,
  ];
}
