import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HEARTBEAT_MS } from '../../src/http/event-stream.ts';
import type { Claim, Job } from '../../src/jobs/job-queue.ts';
import { ask } from './fixture.ts';
import { startWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;
let job: Job;

beforeEach(async () => {
  bench = await startWorkbench();
  job = await bench.queue.enqueue({ payload: { name: 'flowers' } });
});
afterEach(() => bench.close());

async function claim(): Promise<Claim> {
  const claimed = await bench.queue.claim();
  if (claimed === undefined) throw new Error('no job to claim');
  return claimed;
}

const RESULT = { model: 'flowers', version: 1, promoted: true, summary: { verdict: [], next_steps: [] } };

/** Works the job to its end: events 1 to 5. */
async function finish(): Promise<void> {
  const claimed = await claim();
  for (const done of [5, 10]) {
    await bench.queue.report(claimed, { type: 'progress', progress: { phase: 'training', done, total: 10 } });
  }
  await bench.queue.report(claimed, { type: 'succeeded', result: RESULT });
}

/** The events of a stream as a client parses them; comments and fields that are no events left out. */
function eventsOf(text: string) {
  return text.split('\n\n').flatMap((block) => {
    const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
    const data = fields.get('data');
    return data === undefined ? [] : [{ id: fields.get('id'), event: fields.get('event'), data: JSON.parse(data) }];
  });
}

describe('jobs', () => {
  it('are listed, newest first, and can be read one by one', async () => {
    const second = await bench.queue.enqueue({ payload: { name: 'trees' } });
    const { jobs } = JSON.parse((await ask(bench, '/jobs')).text);
    expect(jobs.map(({ id }: { id: string }) => id)).toEqual([second.id, job.id]);
    expect(JSON.parse((await ask(bench, `/jobs/${job.id}`)).text)).toEqual(jobs[1]);
  });

  it('have the progress of the phase and the share of the whole job', async () => {
    const claimed = await claim();
    const shares: number[] = [];
    for (const progress of [
      { phase: 'inspecting', done: 10, total: 20 },
      { phase: 'augmenting', done: 0, total: 40 },
      { phase: 'training', done: 3, total: 10, val_accuracy: 0.5 },
    ]) {
      await bench.queue.report(claimed, { type: 'progress', progress });
      const told = JSON.parse((await ask(bench, `/jobs/${job.id}`)).text).progress;
      expect(told).toMatchObject(progress);
      shares.push(told.fraction);
    }
    expect(shares).toEqual([...shares].sort());
    expect(shares[0]).toBeGreaterThan(0);
    expect(shares[2]).toBeLessThan(1);
  });

  it('have the result, or the reason of the failure', async () => {
    await finish();
    const done = JSON.parse((await ask(bench, `/jobs/${job.id}`)).text);
    expect(done).toMatchObject({ state: 'succeeded', result: RESULT, failure: null, attempts: 1 });
    expect(done.progress).toMatchObject({ fraction: 1 });

    const next = await bench.queue.enqueue({ payload: { name: 'trees' } });
    const failure = { code: 'dataset_too_small', message: 'one class' };
    await bench.queue.report(await claim(), { type: 'failed', failure });
    const failed = JSON.parse((await ask(bench, `/jobs/${next.id}`)).text);
    expect(failed).toMatchObject({ state: 'failed', result: null, failure });
  });

  it('are cancelled by DELETE, once', async () => {
    const cancelled = await ask(bench, `/jobs/${job.id}`, { method: 'DELETE' });
    expect(JSON.parse(cancelled.text)).toMatchObject({ id: job.id, state: 'cancelled' });
    const again = await ask(bench, `/jobs/${job.id}`, { method: 'DELETE' });
    expect([again.status, again.body.code]).toEqual([409, 'job_finished']);
  });

  it.each([
    ['GET', '/jobs/42'],
    ['DELETE', '/jobs/42'],
    ['GET', '/jobs/42/events'],
  ])('that do not exist: %s %s', async (method, path) => {
    const { status, body } = await ask(bench, path, { method });
    expect([status, body.code]).toEqual([404, 'job_not_found']);
  });
});

describe('the events of a job', () => {
  const path = () => `/jobs/${job.id}/events`;

  it('come as server-sent events, and end with the job', async () => {
    await finish();
    const { headers, text } = await ask(bench, path());
    expect(headers.get('content-type')).toContain('text/event-stream');
    const events = eventsOf(text);
    expect(events.map(({ id, event }) => `${id} ${event}`)).toEqual([
      '1 state',
      '2 state',
      '3 progress',
      '4 progress',
      '5 state',
    ]);
    expect(events[2]?.data.progress).toMatchObject({ phase: 'training', done: 5, total: 10 });
    expect(events[4]?.data).toMatchObject({ state: 'succeeded', failure: null });
  });

  it('arrive as they happen', async () => {
    const response = await fetch(bench.url + path());
    const text = response.text();
    await finish();
    expect(eventsOf(await text).at(-1)?.data.state).toBe('succeeded');
  });

  it('continue after the last event that was received, given by header or query', async () => {
    await finish();
    const byHeader = await ask(bench, path(), { headers: { 'Last-Event-ID': '3' } });
    const byQuery = await ask(bench, `${path()}?last_event_id=3`);
    for (const { text } of [byHeader, byQuery]) expect(eventsOf(text).map(({ id }) => id)).toEqual(['4', '5']);
  });

  it('are answered with 204 after the last event, so that a browser does not reconnect', async () => {
    await finish();
    expect((await ask(bench, `${path()}?last_event_id=5`)).status).toBe(204);
  });

  it('are refused after an id that is not valid', async () => {
    const { status, body } = await ask(bench, `${path()}?last_event_id=last`);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.detail).toContain('"last"');
  });

  it('HEAD does not wait for them', async () => {
    expect((await fetch(bench.url + path(), { method: 'HEAD' })).status).toBe(200);
  });

  it('have comments in between when nothing happens', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const response = await fetch(bench.url + path());
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      while (!text.includes('"queued"')) text += (await reader?.read())?.value ?? '';
      vi.advanceTimersByTime(HEARTBEAT_MS);
      while (!text.includes('\n: ')) text += (await reader?.read())?.value ?? '';
      await reader?.cancel();
    } finally {
      vi.useRealTimers();
    }
  });

  it('are released when the client leaves', async () => {
    const follow = vi.spyOn(bench.queue, 'events');
    const client = new AbortController();
    const response = await fetch(bench.url + path(), { signal: client.signal });
    await response.body?.getReader().read();
    const signal = follow.mock.calls[0]?.[2];
    expect(signal?.aborted).toBe(false);
    client.abort();
    await expect.poll(() => signal?.aborted).toBe(true);
  });

  it('end when the server stops', async () => {
    const response = await fetch(bench.url + path());
    const text = response.text();
    await bench.queue.close();
    expect(eventsOf(await text).map(({ event }) => event)).toEqual(['state']);
  });
});
