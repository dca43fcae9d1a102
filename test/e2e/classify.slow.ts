import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { childrenOf, imagesInFlight, isInBackground, until } from '../../scripts/server-process.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import type { ClassifyAnswer, ExplainAnswer } from './answers.ts';
import { withServer } from './own-server.ts';

const server = withServer();

async function classify(png: Buffer, query: string): Promise<ClassifyAnswer> {
  const response = await fetch(`${server.url}/classify?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: new Uint8Array(png),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as ClassifyAnswer;
}

/** Threads are looked up in `/proc`. */
test.skipIf(!existsSync('/proc/self/task'))(
  'the event loop goes before what decodes, and engines before no other program',
  async () => {
    const [picture] = await goldenPictures(EMBEDDED[0]);
    await classify(picture?.png as Buffer, '');
    const { pid = 0 } = server.child;
    const threads = `/proc/${pid}/task`;
    const decoders = readdirSync(threads).filter((id) =>
      /libvips/.test(readFileSync(join(threads, id, 'comm'), 'utf8')),
    );
    expect(decoders.length).toBeGreaterThan(0);
    for (const id of decoders) {
      expect(getPriority(Number(id))).toBeGreaterThan(getPriority(pid));
    }
    expect(childrenOf(pid).map(getPriority)).toContain(getPriority(pid));
  },
);

describe.each(EMBEDDED)('%s over HTTP', (model) => {
  test.each(['onnx', 'tfjs'])('names what the training framework names, through %s', async (runtime) => {
    for (const { png, top1 } of await goldenPictures(model)) {
      const answer = await classify(png, `model=${model}&runtime=${runtime}`);
      expect(answer).toMatchObject({ model, version: 1, runtime });
      expect(answer.results[0]?.predictions).toHaveLength(5);
      expect(answer.results[0]?.predictions?.[0]).toMatchObject({
        index: top1,
        synset: expect.stringMatching(/^n\d{8}$/),
      });
    }
  });
});

describe.each(EMBEDDED)('%s explained', (model) => {
  const explain = async (png: Buffer, query: string) =>
    await fetch(`${server.url}/explain?model=${model}&${query}`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array(png),
    });

  test('shows the class that it names, and another if asked', async () => {
    const [picture] = await goldenPictures(model);
    const png = picture?.png ?? Buffer.alloc(0);
    const best = (await (await explain(png, '')).json()) as ExplainAnswer;
    expect(best).toMatchObject({ model, method: 'cam', class: { index: picture?.top1 } });
    expect(Math.max(...best.heatmap.values.flat())).toBe(1);
    const other = (await (await explain(png, 'class=lesser panda')).json()) as ExplainAnswer;
    expect(other.class).toMatchObject({ index: 58, synset: 'n02509815' });
    expect(other.heatmap.values).not.toEqual(best.heatmap.values);
  });

  test('draws it over the picture', async () => {
    const [picture] = await goldenPictures(model);
    const response = await explain(picture?.png ?? Buffer.alloc(0), 'format=png');
    expect(response.headers.get('content-type')).toBe('image/png');
    const { width, height } = await sharp(Buffer.from(await response.arrayBuffer())).metadata();
    expect([width, height]).toEqual([64, 64]);
  });
});

describe('an engine killed in the middle of requests', () => {
  test('costs its own batch at most, and the server serves on', async () => {
    const [picture] = await goldenPictures(EMBEDDED[0]);
    const form = new FormData();
    for (let i = 0; i < 64; i++) form.append('image', new Blob([new Uint8Array(picture?.png ?? [])]), `${i}.png`);
    const requests = Array.from({ length: 4 }, () => fetch(`${server.url}/classify`, { method: 'POST', body: form }));
    await until(async () => (await imagesInFlight(server)) > 0);
    // A comparison of formats is a child too.
    const engine = childrenOf(server.child.pid ?? 0).find((pid) => !isInBackground(pid));
    if (engine !== undefined) process.kill(engine, 'SIGKILL');
    for (const response of await Promise.all(requests)) {
      expect(response.status).toBe(200);
      for (const result of ((await response.json()) as ClassifyAnswer).results) {
        if (result.error === undefined) expect(result.predictions?.[0]?.index).toBe(picture?.top1);
        else expect(result.error.code).toBe('engine_lost');
      }
    }
    if (engine !== undefined) await until(() => server.log().includes('ended by SIGKILL; it is started again'));
    const answer = await classify(picture?.png ?? Buffer.alloc(0), 'top_k=1');
    expect(answer.results[0]?.predictions?.[0]?.index).toBe(picture?.top1);
  });
});

describe('images of 49 million pixels in files of 300 KB', () => {
  test('keep no photo waiting, and are dropped when their clients leave', async () => {
    const background = { r: 90, g: 120, b: 60 };
    const huge = await sharp({ create: { width: 7_000, height: 7_000, channels: 3, background } })
      .jpeg({ progressive: true, quality: 20 })
      .toBuffer();
    const clients = new AbortController();
    const crowd = Array.from({ length: 32 }, () =>
      fetch(`${server.url}/classify`, {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg' },
        body: new Uint8Array(huge),
        signal: clients.signal,
      }),
    );
    await until(async () => (await imagesInFlight(server)) > 24);
    const [picture] = await goldenPictures(EMBEDDED[0]);
    const answer = await classify(picture?.png ?? Buffer.alloc(0), 'top_k=1');
    expect(answer.results[0]?.predictions?.[0]?.index).toBe(picture?.top1);
    // The photo has passed images that came before it.
    expect(await imagesInFlight(server)).toBeGreaterThan(8);
    clients.abort();
    await Promise.allSettled(crowd);
    await until(async () => (await imagesInFlight(server)) <= 1);
  });
});
