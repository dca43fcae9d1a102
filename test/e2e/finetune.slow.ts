import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { colouredPicture, colourZip } from '../../scripts/labelled-zip.ts';
import { childrenOf, isAlive, until } from '../../scripts/server-process.ts';
import { runOnnx, runTfjs } from '../convert/runtimes.ts';
import { readZip } from '../zip-reader.ts';
import type { ClassifyAnswer } from './answers.ts';
import { withServer } from './own-server.ts';

/** A job in the API; only what these tests use. */
interface JobAnswer {
  readonly id: string;
  readonly state: string;
  readonly progress: { readonly phase: string } | null;
  readonly result: { readonly model: string; readonly version: number; readonly promoted: boolean } | null;
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly attempts: number;
}

const server = withServer();
let zip: Buffer;

beforeAll(async () => {
  zip = await colourZip();
});

async function finetune(options: Readonly<Record<string, string>>, dataset = zip): Promise<JobAnswer> {
  const form = new FormData();
  form.append('dataset', new Blob([new Uint8Array(dataset)]), 'colours.zip');
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  const response = await fetch(`${server.url}/finetune`, { method: 'POST', body: form });
  const job = (await response.json()) as JobAnswer;
  expect(response.status, JSON.stringify(job)).toBe(202);
  expect(response.headers.get('location')).toBe(`/jobs/${job.id}`);
  return job;
}

async function job(id: string): Promise<JobAnswer> {
  return (await (await fetch(`${server.url}/jobs/${id}`)).json()) as JobAnswer;
}

/** Follows a job to its end by its events. */
async function ended({ id }: JobAnswer): Promise<JobAnswer> {
  await (await fetch(`${server.url}/jobs/${id}/events`)).text();
  return job(id);
}

async function classify(model: string, colour: 'red' | 'green' | 'blue'): Promise<ClassifyAnswer> {
  const response = await fetch(`${server.url}/classify?model=${model}`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: new Uint8Array(await colouredPicture(colour, 99)),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as ClassifyAnswer;
}

async function setProduction(version: number): Promise<void> {
  const response = await fetch(`${server.url}/models/colours/aliases/production`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ version }),
  });
  expect(response.status).toBe(200);
}

const FAST = { copies: '1', epochs: '20' };

describe('a labelled zip', () => {
  test('is inspected without training, with dry_run', async () => {
    const form = new FormData();
    form.append('dataset', new Blob([new Uint8Array(zip)]), 'colours.zip');
    const response = await fetch(`${server.url}/finetune?dry_run=true`, { method: 'POST', body: form });
    expect(response.status).toBe(200);
    const report = (await response.json()) as { classes: { name: string; images: number }[] };
    expect(report.classes.map(({ name, images }) => [name, images])).toEqual([
      ['blue', 12],
      ['green', 12],
      ['red', 12],
    ]);
  });

  test('becomes a model that answers with its classes', async () => {
    const { state, result, failure } = await ended(await finetune({ name: 'colours', ...FAST }));
    expect({ state, failure }).toEqual({ state: 'succeeded', failure: null });
    expect(result).toMatchObject({ model: 'colours', version: 1, promoted: true });
    for (const colour of ['red', 'green', 'blue'] as const) {
      const answer = await classify('colours', colour);
      expect(answer).toMatchObject({ model: 'colours', version: 1, results: [{ unknown: false }] });
      expect(answer.results[0]?.predictions?.[0]?.label).toBe(colour);
    }
  });

  test('is searched for settings and layers, and the report says what was tried', async () => {
    const { state, failure } = await ended(await finetune({ name: 'searched', search: 'quick', ...FAST, epochs: '3' }));
    expect({ state, failure }).toEqual({ state: 'succeeded', failure: null });
    const report = (await (await fetch(`${server.url}/models/searched/report`)).json()) as {
      training: { layers: unknown[]; search: { trials: { features: string; augmented: boolean }[] } };
    };
    const tried = report.training.search.trials.map(({ features, augmented }) => `${features}, ${augmented}`);
    expect(new Set(tried)).toEqual(
      new Set(['last layer, true', 'last layer, false', 'last 4 layers, true', 'last 4 layers, false']),
    );
    expect((await classify('searched', 'red')).results[0]?.predictions?.[0]?.label).toBe('red');
  });

  test('chooses the backbone too, with a thorough search', async () => {
    const options = { name: 'chosen', search: 'thorough', prefer: 'speed', budget_minutes: '0.3', copies: '1' };
    const { state, failure } = await ended(await finetune(options));
    expect(state, failure?.message).toBe('succeeded');
    const report = (await (await fetch(`${server.url}/models/chosen/report`)).json()) as {
      backbone: { name: string };
      training: {
        automatic_search: {
          prefer: string;
          trials: {
            backbone: string;
            rung: number;
            latency_ms: number;
            clock: { seconds_left: number; expected_seconds: number; reserved_seconds: number };
            front: boolean;
            chosen: boolean;
          }[];
        };
      };
    };
    const { trials, prefer } = report.training.automatic_search;
    // The default is tried however short the budget is, and nothing else that would not have fitted into it.
    for (const { clock } of trials.slice(1)) {
      expect(clock.expected_seconds + clock.reserved_seconds).toBeLessThanOrEqual(clock.seconds_left + 0.002);
      expect(clock.seconds_left).toBeLessThan(0.3 * 60);
    }
    const [chosen] = trials.filter((trial) => trial.chosen);
    expect(prefer).toBe('speed');
    expect(chosen).toMatchObject({ backbone: report.backbone.name, front: true });
    const front = trials.filter((trial) => trial.front);
    expect(chosen?.latency_ms).toBe(Math.min(...front.map(({ latency_ms }) => latency_ms)));
    expect((await classify('chosen', 'red')).results[0]).toBeDefined();
  });

  test('sent again becomes the next version; an alias rolls back and forth, for the next request on', async () => {
    const { result } = await ended(await finetune({ name: 'colours', seed: '2', ...FAST }));
    expect(result).toMatchObject({ version: 2, promoted: true });
    expect((await classify('colours', 'red')).version).toBe(2);
    await setProduction(1);
    expect((await classify('colours', 'red')).version).toBe(1);
    expect((await classify('colours@2', 'red')).version).toBe(2);
    const removed = await fetch(`${server.url}/models/colours@2`, { method: 'DELETE' });
    expect(removed.status).toBe(204);
    expect((await fetch(`${server.url}/models/colours@2`)).status).toBe(404);
  });

  test('sent after a version was removed gets a new number, which its report names too', async () => {
    const { result } = await ended(await finetune({ name: 'colours', promote: 'never', seed: '3', ...FAST }));
    expect(result).toMatchObject({ version: 3, promoted: false });
    const report = await (await fetch(`${server.url}/models/colours@3/report`)).json();
    expect(report).toMatchObject({ model: { name: 'colours', version: 3 } });
  });

  test('can be taken away, and runs in a bare ONNX Runtime', async () => {
    const response = await fetch(`${server.url}/models/colours/export?format=onnx`);
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="colours-1-onnx.zip"');
    const files = await readZip(Buffer.from(await response.arrayBuffer()));
    const session = await ort.InferenceSession.create(files.get('model.onnx') ?? Buffer.alloc(0));
    const labels = files.get('labels.txt')?.toString().trim().split('\n') ?? [];
    const pixels = await sharp(await colouredPicture('red', 99))
      .removeAlpha()
      .raw()
      .toBuffer();
    const { probabilities } = await session.run({ pixels: new ort.Tensor('uint8', pixels, [1, 64, 64, 3]) });
    for (const { index, label, score } of (await classify('colours', 'red')).results[0]?.predictions ?? []) {
      expect(labels[index]).toBe(label);
      expect(probabilities?.data[index]).toBeCloseTo(score, 4);
    }
    await session.release();
  });

  test('judges how new a picture is alike in the server, a bare ONNX Runtime and bare TensorFlow.js', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'menagerie-novelty-'));
    for (const format of ['onnx', 'tfjs']) {
      const response = await fetch(`${server.url}/models/colours/export?format=${format}`);
      for (const [name, content] of await readZip(Buffer.from(await response.arrayBuffer()))) {
        await writeFile(join(folder, name), content);
      }
    }
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, index) => (index * index * 7 + index * 31) % 256);
    const stripes = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    for (const picture of [await colouredPicture('red', 99), stripes]) {
      const response = await fetch(`${server.url}/classify?model=colours`, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: new Uint8Array(picture),
      });
      const { results } = (await response.json()) as ClassifyAnswer;
      const pixels = {
        data: new Uint8Array(await sharp(picture).removeAlpha().raw().toBuffer()),
        shape: [1, 64, 64, 3],
      };
      const told = results[0]?.novelty ?? Number.NaN;
      for (const answers of [
        await runOnnx(join(folder, 'model.onnx'), pixels),
        await runTfjs(join(folder, 'model.json'), pixels),
      ]) {
        expect((answers.novelty?.data[0] ?? 0) / told).toBeCloseTo(1, 3);
      }
      expect(results[0]?.unknown).toBe(told > 1);
      expect(told > 1).toBe(picture === stripes);
    }
    await rm(folder, { recursive: true });
  });

  test('has a report, for programs and for people', async () => {
    const report = (await (await fetch(`${server.url}/models/colours/report`)).json()) as {
      test: { cells: { examples: { image: string }[] }[] };
    };
    expect(report).toMatchObject({ model: { name: 'colours', version: 1 }, classes: ['blue', 'green', 'red'] });
    const pictures = await (await fetch(`${server.url}/models/colours/report/pictures`)).json();
    const named = report.test.cells.flatMap(({ examples }) => examples.map(({ image }) => image));
    expect(pictures).toMatchObject(Object.fromEntries(named.map((image) => [image, expect.stringMatching(/^data:/)])));
    const page = await fetch(`${server.url}/models/colours/report`, { headers: { accept: 'text/html' } });
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('colours');
  });
});

describe('a job that runs', () => {
  /** Takes long enough to be interrupted. */
  const SLOW = { copies: '30', epochs: '20' };

  /** @param seed a new one for each job: the features of copies with a known seed are cached */
  async function caughtRunning(name: string, seed: string): Promise<JobAnswer> {
    const started = await finetune({ name, seed, ...SLOW });
    await until(async () => (await job(started.id)).progress?.phase === 'augmenting');
    return started;
  }

  test('is cancelled, and leaves nothing', async () => {
    const { id } = await caughtRunning('cancelled', '7');
    const response = await fetch(`${server.url}/jobs/${id}`, { method: 'DELETE' });
    expect(((await response.json()) as JobAnswer).state).toBe('cancelled');
    expect((await fetch(`${server.url}/models/cancelled`)).status).toBe(404);
    await until(() => readdirSync(join(server.dataDir, 'work')).length === 0);
    expect(readdirSync(join(server.dataDir, 'uploads'))).toEqual([]);
    expect(readdirSync(join(server.dataDir, 'jobs', id))).not.toContain('archive');
    expect(namesIn(join(server.dataDir, 'models'))).not.toContain('cancelled');
    expect(namesIn(join(server.dataDir, 'models', '.staging'))).toEqual([]);
  });

  test('is not disturbed by a dry run of another data set with the same settings', async () => {
    const settings = { name: 'undisturbed', copies: '1', epochs: '3' };
    const started = await finetune(settings, await colourZip(100));
    await until(async () => (await job(started.id)).progress?.phase === 'inspecting');
    const form = new FormData();
    form.append('dataset', new Blob([new Uint8Array(await colourZip(30))]), 'colours.zip');
    for (const [name, value] of Object.entries(settings)) form.append(name, value);
    const dryRun = await fetch(`${server.url}/finetune?dry_run=true`, { method: 'POST', body: form });
    expect(dryRun.status).toBe(200);
    expect(await ended(started)).toMatchObject({ state: 'succeeded', failure: null });
  });

  test.runIf(existsSync('/proc')).each([
    ['stopped', 'SIGSTOP', '11', 'it sent no heartbeat'],
    ['killed', 'SIGKILL', '12', 'was ended by SIGKILL'],
  ] as const)('goes on from its features when its process is %s', async (name, signal, seed, reason) => {
    const started = await caughtRunning(name, seed);
    const [training = 0] = childrenOf(server.child.pid ?? 0).filter((pid) => commandOf(pid).includes('training-child'));
    process.kill(training, signal);
    const finished = await ended(started);
    expect(finished).toMatchObject({ state: 'succeeded', failure: null });
    expect(isAlive(training)).toBe(false);
    expect(server.log()).toContain(reason);
  });

  test.each([
    ['SIGTERM', '8'],
    ['SIGKILL', '9'],
  ] as const)('goes on when the server was ended by %s and is back', async (signal, seed) => {
    const { id } = await caughtRunning(signal.toLowerCase(), seed);
    const followed = (await fetch(`${server.url}/jobs/${id}/events`)).text();
    server.child.kill(signal);
    // A server that stops in order ends the streams of events.
    if (signal === 'SIGTERM') expect(await followed).toContain('event: progress');
    else await followed.catch(() => undefined);
    await server.exit;
    await server.start();
    const { state, failure, result } = await ended(await job(id));
    expect({ state, failure }).toEqual({ state: 'succeeded', failure: null });
    expect(result).toMatchObject({ model: signal.toLowerCase(), version: 1 });
    expect((await classify(signal.toLowerCase(), 'green')).results[0]?.predictions?.[0]?.label).toBe('green');
  });
});

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** The command line of a process. */
function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}
