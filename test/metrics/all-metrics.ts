import { createMetrics } from '../../src/metrics/metrics.ts';

/** What a server that has done a bit of everything answers to a scrape. */
export async function allMetrics(): Promise<string> {
  const metrics = createMetrics({
    version: '1.2.3',
    memory: () => [{ process: 'server', rssBytes: 1_000 }],
    cpu: async () => [{ process: 'server', seconds: 1.5 }],
    queues: () => [{ model: 'm', runtime: 'onnx', depth: 4 }],
    loaded: () => [{ model: 'm', version: 2, runtime: 'onnx', bytes: 5_000 }],
    imagesInFlight: () => 3,
    runtimes: () => [{ runtime: 'tfjs', backend: 'wasm', version: '4.22.0' }],
  });
  try {
    metrics.watchServer({
      jobs: async () => [{ state: 'queued' }, { state: 'succeeded' }],
      bytesInFlight: () => 77,
      dependencies: () => [
        { dependency: 's3', isUp: true },
        { dependency: 'redis', isUp: false },
      ],
    });
    metrics.observeRequest({ route: '/classify', method: 'POST', status: 200 }, 0.1);
    metrics.observeImage('m', 'onnx', { decodeMs: 4, queueMs: 0.5, inferenceMs: 15, batchSize: 2 });
    metrics.observeBatch('m', 'onnx', 2);
    metrics.observeEviction('m', 'onnx');
    metrics.observeEngineLoss('hung');
    metrics.startUpload()('taken', 1_000);
    metrics.startUpload();
    metrics.startPull()('failed');
    const job = metrics.startJob('1');
    job.phase('reading');
    job.phase('training');
    job.end('succeeded');
    for (;;) {
      const text = await metrics.text();
      // The delay of the event loop is known once it has turned and was looked at, which a busy machine does late.
      if (text.includes('menagerie_event_loop_delay_seconds{')) return text;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  } finally {
    metrics.close();
  }
}
