import { expect, test, vi } from 'vitest';
import type { Client } from '../../src/web/api/client.ts';
import { RequestError } from '../../src/web/api/problem.ts';
import { Packer } from '../../src/web/draft/pack.ts';
import { Submission } from '../../src/web/submission.ts';
import { draft } from './draft/drafts.ts';

interface Sent {
  readonly query: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly onSent: (sent: number, total: number) => void;
}

/** A client whose requests are answered by the test. */
function slowClient() {
  const requests: (Sent & { answer: (value: unknown) => void; fail: (error: unknown) => void })[] = [];
  const client = {
    call: (_: string, sent: Sent) =>
      new Promise((answer, fail) => {
        requests.push({ ...sent, answer, fail });
        sent.signal.addEventListener('abort', () => fail(sent.signal.reason));
      }),
  };
  return { client: client as unknown as Client, requests };
}

const pets = draft(['cat', 5], ['dog', 5]);

test('a submission is sent once, however often it is started, and says what has been sent', async () => {
  const { client, requests } = slowClient();
  const submission = new Submission(new Packer());
  submission.start(client, pets, { name: 'pets' });
  submission.start(client, pets, { name: 'pets' });
  expect(submission.isUnderway).toBe(true);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  requests[0]?.onSent(40, 100);
  expect(submission.state).toEqual({ phase: 'sending', sent: 40, total: 100, secondsLeft: undefined });
  submission.start(client, pets, { name: 'pets' });
  requests[0]?.onSent(100, 100);
  expect(submission.state).toEqual({ phase: 'answering' });
  requests[0]?.answer({ id: 'job' });
  await vi.waitFor(() => expect(submission.state).toMatchObject({ phase: 'answered', answer: { id: 'job' } }));
  expect(requests).toHaveLength(1);
  expect(submission.draft).toBe(pets);
});

test('a cancelled submission ends its request, and a late answer changes nothing', async () => {
  const { client, requests } = slowClient();
  const submission = new Submission(new Packer());
  submission.start(client, pets, {});
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  submission.clear();
  expect(requests[0]?.signal.aborted).toBe(true);
  requests[0]?.onSent(40, 100);
  requests[0]?.answer({ id: 'late' });
  await Promise.resolve();
  expect(submission.state).toEqual({ phase: 'idle' });
});

test('a failed submission says why, and can be started again', async () => {
  const { client, requests } = slowClient();
  const submission = new Submission(new Packer());
  submission.start(client, pets, {});
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  const error = new RequestError({ title: 'No', detail: 'No.', status: 0, code: 'unreachable' });
  requests[0]?.fail(error);
  await vi.waitFor(() => expect(submission.state).toEqual({ phase: 'failed', error }));
  submission.start(client, pets, {});
  await vi.waitFor(() => expect(requests).toHaveLength(2));
});

test('a submission whose answer was lost is sent again under its key, so that the server makes no second job', async () => {
  const { client, requests } = slowClient();
  const submission = new Submission(new Packer());
  const lost = new RequestError({ title: 'Lost', detail: 'Lost.', status: 0, code: 'unreachable' });
  const refused = new RequestError({ title: 'No', detail: 'No.', status: 422, code: 'unknown' });
  const send = async (name: string, end: (request: (typeof requests)[number]) => void) => {
    const before = requests.length;
    submission.start(client, pets, { name });
    await vi.waitFor(() => expect(requests).toHaveLength(before + 1));
    const request = requests[before] as (typeof requests)[number];
    end(request);
    await vi.waitFor(() => expect(submission.isUnderway).toBe(false));
    return request.headers['Idempotency-Key'];
  };

  const key = await send('pets', ({ fail }) => fail(lost));
  expect(key).toMatch(/^[0-9a-f]{32}$/);
  expect(await send('pets', () => submission.clear())).toBe(key);
  expect(await send('pets', ({ answer }) => answer({ id: 'job' }))).toBe(key);

  const afterAnswer = await send('pets', ({ fail }) => fail(lost));
  const otherQuery = await send('animals', ({ fail }) => fail(refused));
  const afterRefusal = await send('animals', ({ answer }) => answer({ id: 'other' }));
  expect(new Set([key, afterAnswer, otherQuery, afterRefusal]).size).toBe(4);
});
