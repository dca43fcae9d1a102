import { expect, it } from 'vitest';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { ask, classifyRaw, startServer } from '../http/fixture.ts';
import { picture } from '../image/pictures.ts';

/** Lines of a metric, each as its labels and its value. */
function samples(text: string, name: string): [string, number][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .map((line) => [/\{(.*)\}/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]);
}

it('counts requests by route, method and status', async () => {
  const server = await startServer();
  const photo = await picture(20, 20, () => [255, 0, 0])
    .jpeg()
    .toBuffer();
  for (const query of ['', '', '?top_k=0']) await classifyRaw(server, photo, 'image/jpeg', query);
  await ask(server, '/models/tiny.test');
  await ask(server, '/some/path/of/an/attacker');
  const { text, headers } = await ask(server, '/metrics');
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(samples(text, 'menagerie_http_requests_total')).toEqual([
    ['route="/classify",method="POST",status="200"', 2],
    ['route="/classify",method="POST",status="400"', 1],
    ['route="/models/{id}",method="GET",status="200"', 1],
    ['route="none",method="GET",status="404"', 1],
  ]);
  expect(samples(text, 'menagerie_http_request_duration_seconds_count')).toContainEqual([
    'route="/classify",method="POST"',
    3,
  ]);
  await server.close();
});

it('times the stages of images, counts batches, and asks for the rest at each scrape', async () => {
  let rssBytes = 1_000;
  const metrics = createMetrics({
    version: '1.2.3',
    memory: async () => [{ process: 'engine-0', rssBytes }],
    cpu: async () => [{ process: 'others', seconds: 2.5 }],
    queues: () => [{ model: 'm', runtime: 'onnx', depth: 4 }],
    loaded: () => [{ model: 'm', version: 2, runtime: 'onnx', bytes: 5_000 }],
    imagesInFlight: () => 0,
    runtimes: () => [{ runtime: 'tfjs', backend: 'wasm', version: '4.22.0' }],
  });
  metrics.observeImage('m', 'onnx', { decodeMs: 4, queueMs: 0.5, inferenceMs: 15, batchSize: 2 });
  metrics.observeBatch('m', 'onnx', 2);
  metrics.observeEviction('m', 'onnx');
  metrics.observeEngineLoss('hung');
  const text = await metrics.text();
  const sums = samples(text, 'menagerie_image_stage_seconds_sum');
  expect(sums.map(([labels, value]) => [/stage="(\w+)"/.exec(labels)?.[1], value])).toEqual([
    ['decode', 0.004],
    ['queue', 0.0005],
    ['inference', 0.015],
    ['total', 0.0195],
  ]);
  expect(samples(text, 'menagerie_batch_images_bucket')).toContainEqual(['le="2",model="m",runtime="onnx"', 1]);
  expect(samples(text, 'menagerie_batch_images_bucket')).toContainEqual(['le="1",model="m",runtime="onnx"', 0]);
  expect(samples(text, 'menagerie_queue_images')).toEqual([['model="m",runtime="onnx"', 4]]);
  expect(samples(text, 'menagerie_model_loaded_bytes')).toEqual([['model="m",version="2",runtime="onnx"', 5_000]]);
  expect(samples(text, 'menagerie_engine_restarts_total')).toEqual([
    ['reason="exited"', 0],
    ['reason="hung"', 1],
  ]);
  expect(samples(text, 'menagerie_model_evictions_total')).toEqual([['model="m",runtime="onnx"', 1]]);
  expect(samples(text, 'menagerie_runtime_info')[0]?.[0]).toContain('backend="wasm"');
  expect(samples(text, 'menagerie_build_info')[0]?.[0]).toContain('version="1.2.3"');
  rssBytes = 2_000;
  expect(samples(await metrics.text(), 'menagerie_process_resident_memory_bytes')).toEqual([
    ['process="engine-0"', 2_000],
  ]);
  metrics.close();
});

it('sees the event loop being blocked', async () => {
  const metrics = createMetrics({
    version: '0',
    memory: () => [],
    cpu: async () => [],
    queues: () => [],
    loaded: () => [],
    imagesInFlight: () => 0,
    runtimes: () => [],
  });
  const tick = () => new Promise((resolve) => setTimeout(resolve, 15));
  await tick();
  const end = performance.now() + 150;
  while (performance.now() < end);
  await tick();
  const worst = samples(await metrics.text(), 'menagerie_event_loop_delay_seconds').at(-1);
  expect(worst?.[0]).toBe('statistic="max"');
  expect(worst?.[1]).toBeGreaterThan(0.1);
  metrics.close();
});
