import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Access } from '../../src/access/access.ts';
import { createKey } from '../../src/access/api-key.ts';
import { AppError } from '../../src/common/errors.ts';
import type { PreflightReport } from '../../src/finetuning/dataset/preflight-report.ts';
import type { FinetuneJobs } from '../../src/finetuning/finetune-jobs.ts';
import { swapped, zipOf } from '../finetuning/dataset/zip-fixtures.ts';
import { type Answer, ask, CONFIG, deferred, openLine, type TestServer } from './fixture.ts';
import { BACKBONE, startWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;
let zip: Buffer;

beforeAll(async () => {
  bench = await startWorkbench({}, { maxQueued: 3 });
  zip = await zipOf(
    ['rose', 'tulip'].flatMap((label) =>
      Array.from({ length: 5 }, (_, i) => ({ name: `${label}/${i}.jpg`, content: `${label}${i}` })),
    ),
  );
});
afterAll(() => bench.close());

/** Whatever was sent: nothing stays of it but in the queue. */
afterEach(async () => {
  expect(readdirSync(bench.uploadDir)).toEqual([]);
  for (const { id, state } of await bench.queue.list()) if (state === 'queued') await bench.queue.cancel(id);
  expect(bench.log.filter(({ level }) => Number(level) >= 40)).toEqual([]);
});

type Fields = Readonly<Record<string, string>>;

function formOf(dataset: Uint8Array | undefined, fields: Fields, part = 'dataset'): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  if (dataset !== undefined) body.append(part, new Blob([Uint8Array.from(dataset)]), 'flowers.zip');
  return body;
}

function finetune(fields: Fields, dataset: Uint8Array | undefined = zip, query = '', to: TestServer = bench) {
  return ask(to, `/finetune${query}`, { method: 'POST', body: formOf(dataset, fields) });
}

function finetuneWithKey(key: string, fields: Fields, dataset = zip) {
  return ask(bench, '/finetune', {
    method: 'POST',
    body: formOf(dataset, fields),
    headers: { 'Idempotency-Key': key },
  });
}

const jobOf = ({ text }: Answer): { readonly id: string } => JSON.parse(text);
const refused = ({ status, body }: Answer) => ({ status, code: body.code, detail: body.detail });

describe('POST /finetune', () => {
  it('answers with a job and its URL', async () => {
    const { status, headers, text } = await finetune({ name: 'flowers' });
    const job = JSON.parse(text);
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/jobs/${job.id}`);
    expect(job).toMatchObject({ state: 'queued', progress: null, result: null, options: { name: 'flowers' } });
  });

  it('answers the same request with the same key by the same job, also where both come at once', async () => {
    const before = (await bench.queue.list()).length;
    const [first, second] = await Promise.all([
      finetuneWithKey('"lost-answer"', { name: 'flowers', epochs: '3' }),
      finetuneWithKey('lost-answer', { epochs: '3', name: 'flowers' }),
    ]);
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(jobOf(second).id).toBe(jobOf(first).id);
    expect(second.headers.get('location')).toBe(`/jobs/${jobOf(first).id}`);
    expect(JSON.parse(first.text).options).toEqual({ name: 'flowers', epochs: 3 });
    expect(await bench.queue.list()).toHaveLength(before + 1);

    const other = await finetuneWithKey('another', { name: 'flowers', epochs: '3' });
    expect(jobOf(other).id).not.toBe(jobOf(first).id);
  });

  it('answers it so when what it names is gone meanwhile', async () => {
    await bench.publish('birds');
    const request = { name: 'flowers', backbone: 'birds' };
    const first = await finetuneWithKey('gone', request);
    expect(first.status).toBe(202);
    bench.registry.delete('birds');
    expect((await finetuneWithKey('other', request)).status).toBe(404);
    expect(jobOf(await finetuneWithKey('gone', request)).id).toBe(jobOf(first).id);
  });

  it('refuses a key that came with another request', async () => {
    const { id } = jobOf(await finetuneWithKey('used', { name: 'flowers' }));
    const otherZip = await zipOf(
      ['oak', 'elm'].flatMap((label) =>
        Array.from({ length: 5 }, (_, i) => ({ name: `${label}/${i}.jpg`, content: `${label}${i}` })),
      ),
    );
    for (const answer of [
      await finetuneWithKey('used', { name: 'flowers', epochs: '3' }),
      await finetuneWithKey('used', { name: 'flowers' }, otherZip),
    ]) {
      expect(refused(answer)).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
      expect(answer.body.detail).toContain(`Job ${id} was made by a request with the same Idempotency-Key`);
    }
  });

  it.each(['', 'with space', 'x'.repeat(256)])('refuses the key “%s”', async (key) => {
    expect(refused(await finetuneWithKey(key, { name: 'flowers' }))).toMatchObject({
      status: 400,
      detail: 'Idempotency-Key must be 1 to 255 visible characters of ASCII, such as a UUID.',
    });
  });

  it('takes a priority, which is no option of the training', async () => {
    const [plain, low] = [await finetune({ name: 'flowers' }), await finetune({ name: 'flowers', priority: 'low' })];
    expect(JSON.parse(plain.text).priority).toBe('normal');
    expect(JSON.parse(low.text)).toMatchObject({ priority: 'low', options: { name: 'flowers' } });
    expect((await finetuneWithKey('urgent', { name: 'flowers' })).status).toBe(202);
    const other = refused(await finetuneWithKey('urgent', { name: 'flowers', priority: 'low' }));
    expect(other).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });

  it('parses options of the form and the query by their types', async () => {
    const fields = {
      name: 'flowers',
      hidden_units: '[64, 32]',
      copies: '4',
      horizontal_flip: 'false',
      promote: 'never',
    };
    const { text } = await finetune(fields, zip, '?epochs=7&dropout=0.25&augmentation={"rotation":5}');
    expect(JSON.parse(text).options).toEqual({
      name: 'flowers',
      hidden_units: [64, 32],
      epochs: 7,
      dropout: 0.25,
      promote: 'never',
      augmentation: { copies: 4, horizontal_flip: false, rotation: 5 },
    });
  });

  it('keeps the version that the name of the backbone stood for when the job was submitted', async () => {
    const alone = await startWorkbench();
    await alone.publish('birds');
    for (const backbone of ['birds', 'birds@1']) {
      const { text } = await finetune({ name: 'flowers', backbone }, zip, '', alone);
      expect(JSON.parse(text).options).toMatchObject({ backbone: 'birds@1' });
    }
    await alone.close();
  });

  it('a dry run answers with a report on the data set, needs no name and queues no job', async () => {
    const asked: unknown[] = [];
    const none = { count: 0, examples: [] };
    const report: PreflightReport = {
      layout: 'folders',
      will_train: '8 images of 2 classes',
      classes: [],
      images: { labelled: 12, unreadable: 0, left_out: 0, used: 8, negative: 4, train: 6, validation: 1, test: 1 },
      imbalance: 1,
      split: { seed: 3, validation_share: 0.15, test_share: 0.15 },
      unreadable: none,
      ignored: { count: 0, reasons: [] },
      missing: none,
      duplicates: none,
      conflicting_labels: none,
      leakage: none,
      near_duplicates: none,
      small_images: { ...none, minimum: [64, 64] },
      warnings: [],
    };
    const finetuning: Pick<FinetuneJobs, 'submit' | 'submitOther' | 'inspect' | 'jobs'> = {
      submitOther: () => Promise.reject(new Error('nothing is quantized here')),
      submit: () => Promise.reject(new Error('a dry run submits nothing')),
      inspect: async (options) => {
        asked.push(options.seed);
        return report;
      },
      jobs: bench.queue,
    };
    const dry = await startWorkbench({ finetuning });
    const { status, text } = await finetune({ dry_run: 'true', seed: '3' }, zip, '', dry);
    expect([status, JSON.parse(text), asked]).toEqual([200, report, [3]]);
    expect(readdirSync(dry.uploadDir)).toEqual([]);
    await dry.close();
  });

  it('a dry run is cancelled when its client leaves, and its zip is removed', async () => {
    const begun = deferred<AbortSignal>();
    const left = deferred<void>();
    const finetuning: Pick<FinetuneJobs, 'submit' | 'submitOther' | 'inspect' | 'jobs'> = {
      submitOther: () => Promise.reject(new Error('nothing is quantized here')),
      submit: () => Promise.reject(new Error('a dry run submits nothing')),
      inspect: (_options, _path, signal) => {
        begun.resolve(signal);
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason);
            left.resolve();
          });
        });
      },
      jobs: bench.queue,
    };
    const dry = await startWorkbench({ finetuning });
    const client = new AbortController();
    const body = formOf(zip, { dry_run: 'true' });
    const request = fetch(`${dry.url}/finetune`, { method: 'POST', body, signal: client.signal }).catch(
      () => undefined,
    );
    await begun.promise;
    client.abort();
    await left.promise;
    await request;
    await expect.poll(() => readdirSync(dry.uploadDir)).toEqual([]);
    await dry.close();
  });
});

describe('options that are wrong', () => {
  it.each<[Fields, string, string]>([
    [{}, 'name', 'must be given'],
    [{ name: 'flowers.v2' }, 'name', 'no dot'],
    [{ name: 'Flowers' }, 'name', 'lower-case letters'],
    [{ name: '../flowers' }, 'name', 'lower-case letters'],
    [{ name: 'flowers', epochs: 'many' }, 'epochs', 'must be a number, not "many"'],
    [{ name: 'flowers', epochs: '0' }, 'epochs', '"0"'],
    [{ name: 'flowers', epochs: '1.5' }, 'epochs', '"1.5"'],
    [{ name: 'flowers', horizontal_flip: 'maybe' }, 'horizontal_flip', 'true or false'],
    [{ name: 'flowers', hidden_units: '64,32' }, 'hidden_units', 'must be JSON'],
    [{ name: 'flowers', hidden_units: '[0]' }, 'hidden_units.0', '[0]'],
    [{ name: 'flowers', augmentation: '{"spin": 3}' }, 'augmentation.spin', 'is not an option'],
    [{ name: 'flowers', augmentation: 'sturdy' }, 'augmentation', 'must be robust or JSON'],
    [{ name: 'flowers', augmentation: 'robust', robust: 'true' }, 'robust', 'give it once'],
    [{ name: 'flowers', augmentation: '{"copies": 3}', copies: '2' }, 'copies', 'give it once'],
    [{ name: 'flowers', copies: '99' }, 'copies', '"99"'],
    [{ name: 'flowers', search: 'deep' }, 'search', '"deep"'],
    [{ name: 'flowers', lerning_rate: '0.1' }, 'lerning_rate', 'learning_rate'],
    [{ name: 'flowers', dry_run: 'yes' }, 'dry_run', 'true or false'],
    [{ name: 'flowers', priority: 'high' }, 'priority', 'must be normal or low, not "high"'],
  ])('%j', async (fields, field, hint) => {
    const { status, body } = await finetune(fields);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.detail).toContain(hint);
    expect(body.context['errors']).toEqual([expect.objectContaining({ field })]);
  });

  it('the error names each of them', async () => {
    const { body } = await finetune({ name: 'A', epochs: 'x', nonsense: '1' });
    const errors = body.context['errors'] as readonly { field: string }[];
    expect(errors.map(({ field }) => field).sort()).toEqual(['epochs', 'name', 'nonsense']);
  });

  it('an option with different values in query and form', async () => {
    const { body } = await finetune({ name: 'flowers' }, zip, '?name=trees');
    expect(body.detail).toMatch(/^name is "trees" in the query and "flowers" in the form/);
  });

  it('an unknown backbone; the error has the known names', async () => {
    const answer = refused(await finetune({ name: 'flowers', backbone: 'resnet9000' }));
    expect(answer).toMatchObject({ status: 404, code: 'model_not_found' });
    expect(answer.detail).toContain(BACKBONE);
  });
});

describe('bodies without a zip that can be trained on', () => {
  const flowers = { name: 'flowers' };

  it('no file at all', async () => {
    const answer = refused(await ask(bench, '/finetune', { method: 'POST', body: formOf(undefined, flowers) }));
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.detail).toContain('"dataset"');
  });

  it('a file in another part; the error names the part', async () => {
    const answer = refused(await ask(bench, '/finetune', { method: 'POST', body: formOf(zip, flowers, 'zip') }));
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.detail).toContain('"zip"');
  });

  it('the zip as text of the form', async () => {
    const body = formOf(undefined, { ...flowers, dataset: 'flowers.zip' });
    const answer = refused(await ask(bench, '/finetune', { method: 'POST', body }));
    expect(answer.detail).toContain('as a file');
  });

  it('two files', async () => {
    const body = formOf(zip, flowers);
    body.append('dataset', new Blob([Uint8Array.from(zip)]), 'more.zip');
    const answer = refused(await ask(bench, '/finetune', { method: 'POST', body }));
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.detail).toContain('one file');
  });

  it('a body that is no form', async () => {
    const init = { method: 'POST', body: Uint8Array.from(zip), headers: { 'Content-Type': 'application/zip' } };
    const answer = refused(await ask(bench, '/finetune?name=flowers', init));
    expect(answer).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect(answer.detail).toContain('multipart/form-data');
  });

  it('text called .zip', async () => {
    const answer = refused(await finetune(flowers, Buffer.from('not a zip')));
    expect(answer).toMatchObject({ status: 415, code: 'unsupported_archive' });
  });

  it('an empty file', async () => {
    const answer = refused(await finetune(flowers, Buffer.alloc(0)));
    expect(answer).toMatchObject({ status: 422, code: 'archive_corrupt' });
  });

  it('a truncated zip', async () => {
    const answer = await finetune(flowers, zip.subarray(0, zip.length - 40));
    expect(refused(answer)).toMatchObject({ status: 422, code: 'archive_corrupt' });
  });

  it('a zip with names that lead out of its folder', async () => {
    const answer = await finetune(flowers, swapped(zip, 'rose/0.jpg', '../..0.jpg'));
    expect(refused(answer)).toMatchObject({ status: 422, code: 'archive_unsafe' });
  });

  it('a bomb', async () => {
    const bomb = await zipOf([{ name: 'rose/0.png', content: Buffer.alloc(10_000_000) }]);
    expect(refused(await finetune(flowers, bomb))).toMatchObject({ status: 422, code: 'archive_bomb' });
  });

  it('too few images, or no labels', async () => {
    const few = await zipOf([{ name: 'rose/0.jpg', content: 'x' }]);
    expect(refused(await finetune(flowers, few))).toMatchObject({ status: 422, code: 'dataset_too_small' });
    const bare = await zipOf([{ name: '0.jpg', content: 'x' }]);
    expect(refused(await finetune(flowers, bare))).toMatchObject({ status: 422, code: 'dataset_layout' });
  });

  it('a truncated form', async () => {
    const cut = '--x\r\nContent-Disposition: form-data; name="dataset"; filename="a.zip"\r\n\r\nPK';
    const headers = { 'Content-Type': 'multipart/form-data; boundary=x' };
    const answer = await ask(bench, '/finetune?name=flowers', { method: 'POST', body: cut, headers });
    expect(refused(answer)).toMatchObject({ status: 400, code: 'malformed_multipart' });
  });
});

describe('limits', () => {
  it('jobs of one key that wait: one too many is refused, and another key has its places', async () => {
    const made = [createKey('busy', 'teach'), createKey('other', 'teach')];
    const find = (text: string) => made.find(({ key }) => key === text)?.stored;
    const access = new Access({ everHadKeys: true, find }, { allowAnonymous: 'none', isLocal: false });
    const shared = await startWorkbench({ access }, { maxQueued: 16, maxQueuedPerOwner: 2 });
    const send = (key = '') =>
      ask(shared, '/finetune', {
        method: 'POST',
        body: formOf(zip, { name: 'flowers' }),
        headers: { Authorization: `Bearer ${key}`, 'Idempotency-Key': randomUUID() },
      });
    const [busy, other] = made.map(({ key }) => key);
    for (let i = 0; i < 2; i++) expect((await send(busy)).status).toBe(202);
    const answer = await send(busy);
    expect(refused(answer)).toMatchObject({ status: 429, code: 'job_queue_full' });
    expect(answer.body.detail).toContain('2 jobs of your key are queued');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    const { id } = jobOf(await send(other));
    await shared.queue.claim();
    expect((await shared.queue.claim())?.job.id).toBe(id);
    await shared.close();
  });

  it('jobs that wait: one too many is refused with Retry-After', async () => {
    for (let i = 0; i < 3; i++) expect((await finetune({ name: 'flowers' })).status).toBe(202);
    const answer = await finetune({ name: 'flowers' });
    expect(refused(answer)).toMatchObject({ status: 429, code: 'job_queue_full' });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('bytes: a Content-Length over the limit is refused at once', async () => {
    const answer = await finetune({ name: 'flowers' }, Buffer.alloc(CONFIG.maxArchiveBytes * 2));
    expect(refused(answer)).toMatchObject({ status: 413, code: 'archive_too_large' });
    expect(answer.body.context['maximum']).toBe(CONFIG.maxArchiveBytes);
  });

  it('bytes: a body without Content-Length is refused when it exceeds the limit', async () => {
    const part = '--x\r\nContent-Disposition: form-data; name="dataset"; filename="a.zip"\r\n\r\n';
    for (const size of [CONFIG.maxArchiveBytes + 1, CONFIG.maxArchiveBytes * 2]) {
      async function* chunks() {
        yield Buffer.from(part);
        yield Buffer.alloc(size);
        yield Buffer.from('\r\n--x--\r\n');
      }
      const init = { method: 'POST', body: chunks(), duplex: 'half' } as unknown as RequestInit;
      const headers = { 'Content-Type': 'multipart/form-data; boundary=x' };
      const answer = await ask(bench, '/finetune?name=flowers', { ...init, headers });
      expect(refused(answer)).toMatchObject({ status: 413, code: 'archive_too_large' });
    }
  });

  const head = (length: number) =>
    'POST /finetune?name=flowers HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n' +
    `Content-Length: ${length}\r\n\r\n--x\r\nContent-Disposition: form-data; name="dataset"; filename="a.zip"\r\n\r\n`;

  it('a client that hangs up in mid-upload leaves no file', async () => {
    const line = await openLine(bench.port);
    line.socket.write(`${head(1_000_000)}${'z'.repeat(100_000)}`);
    await expect.poll(() => readdirSync(bench.uploadDir)).toHaveLength(1);
    line.socket.destroy();
    await expect.poll(() => readdirSync(bench.uploadDir)).toEqual([]);
  });

  it('concurrent uploads: one too many is refused with Retry-After, and admitted when another has ended', async () => {
    const narrow = await startWorkbench({ config: { ...CONFIG, maxUploads: 2 } });
    const lines = await Promise.all([openLine(narrow.port), openLine(narrow.port)]);
    for (const { socket } of lines) socket.write(`${head(1_000_000)}z`);
    await expect.poll(() => readdirSync(narrow.uploadDir)).toHaveLength(2);
    const answer = await finetune({ name: 'flowers' }, zip, '', narrow);
    expect(refused(answer)).toMatchObject({ status: 429, code: 'queue_full' });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.body.context['limit']).toBe(2);
    lines[0]?.socket.destroy();
    await expect.poll(async () => (await finetune({ name: 'flowers' }, zip, '', narrow)).status).toBe(202);
    lines[1]?.socket.destroy();
    await expect.poll(() => readdirSync(narrow.uploadDir)).toEqual([]);
    await narrow.close();
  });

  it('progress: an upload of a byte at a time is cut off and frees its place', async () => {
    const slow = await startWorkbench({ config: { ...CONFIG, maxUploads: 1, stallTimeoutMs: 200 } });
    const line = await openLine(slow.port);
    line.socket.write(head(1_000_000));
    const timer = setInterval(() => line.socket.write('z'), 20);
    const { status, body } = await line.answer;
    clearInterval(timer);
    expect([status, (body as { code: string }).code]).toEqual([408, 'request_timeout']);
    await expect.poll(async () => (await finetune({ name: 'flowers' }, zip, '', slow)).status).toBe(202);
    line.socket.destroy();
    await slow.close();
  });

  it('time: a zip may take longer than a photo, up to UPLOAD_TIMEOUT_MS', async () => {
    const slow = await startWorkbench({ config: { ...CONFIG, requestTimeoutMs: 100, uploadTimeoutMs: 500 } });
    const line = await openLine(slow.port);
    const start = performance.now();
    line.socket.write(head(1_000_000));
    const { status, body } = await line.answer;
    expect([status, (body as { code: string }).code]).toEqual([408, 'request_timeout']);
    expect(performance.now() - start).toBeGreaterThan(450);
    await expect.poll(() => readdirSync(slow.uploadDir)).toEqual([]);
    line.socket.destroy();
    await slow.close();
  });
});

describe('an error of the trainer', () => {
  it('is answered, and the zip is removed', async () => {
    const finetuning: Pick<FinetuneJobs, 'submit' | 'submitOther' | 'inspect' | 'jobs'> = {
      submitOther: () => Promise.reject(new Error('nothing is quantized here')),
      submit: () => Promise.reject(new AppError('shutting_down', 'the job queue is closed')),
      inspect: () => Promise.reject(new AppError('training_lost', 'the training process was ended by SIGKILL')),
      jobs: bench.queue,
    };
    const failing = await startWorkbench({ finetuning });
    expect(refused(await finetune({ name: 'f' }, zip, '', failing))).toMatchObject({
      status: 503,
      code: 'shutting_down',
    });
    const dry = await finetune({ dry_run: 'true' }, zip, '', failing);
    expect(refused(dry)).toMatchObject({ status: 503, code: 'training_lost' });
    expect(readdirSync(failing.uploadDir)).toEqual([]);
    await failing.close();
  });
});
