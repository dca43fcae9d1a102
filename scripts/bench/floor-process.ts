/**
 * The inner floor: our decoding and the same session, called directly, in one process for each core. Photos are decoded
 * on the thread pool while the session computes a batch of decoded ones. No HTTP, no queue, no second process.
 */
import * as ort from 'onnxruntime-node';
import { preprocessImage } from '../../src/image/preprocess.ts';
import type { BenchModel } from './bench-model.ts';
import { loadPhotos } from './photos.ts';
import { Window, type WindowResult } from './window.ts';

export interface FloorTask {
  readonly model: BenchModel;
  /** Photos that are processed concurrently in this process. */
  readonly inFlight: number;
  readonly maxBatch: number;
  /** Threads of the session: 1, unless this is the only process. */
  readonly threads: number;
  readonly seconds: number;
}

interface Decoded {
  readonly pixels: Uint8Array;
  readonly start: number;
}

async function measure(task: FloorTask, session: ort.InferenceSession): Promise<WindowResult> {
  const [height, width] = task.model.preprocessing.inputSize;
  const window = new Window(task.seconds);
  const ready: Decoded[] = [];
  let wake = (): void => {};
  let next = 0;
  const decode = async (): Promise<void> => {
    const start = performance.now();
    const photo = photos[next++ % photos.length] as Buffer;
    const { pixels } = await preprocessImage(photo, task.model.preprocessing, 50_000_000);
    ready.push({ pixels, start });
    wake();
  };
  let underWay = task.inFlight;
  for (let i = 0; i < task.inFlight; i++) void decode();
  while (underWay > 0) {
    if (ready.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const batch = ready.splice(0, task.maxBatch);
    const data = new Uint8Array(batch.length * height * width * 3);
    for (const [index, { pixels }] of batch.entries()) data.set(pixels, index * pixels.length);
    await session.run({ pixels: new ort.Tensor('uint8', data, [batch.length, height, width, 3]) }, ['probabilities']);
    for (const { start } of batch) window.count(start);
    for (const _ of batch) {
      if (window.over) underWay--;
      else void decode();
    }
  }
  return window.result();
}

const photos = await loadPhotos(process.argv[2]);
const sessions = new Map<string, Promise<ort.InferenceSession>>();
process.on('message', async (task: FloorTask) => {
  const key = `${task.threads} ${task.model.onnxPath}`;
  const session =
    sessions.get(key) ??
    ort.InferenceSession.create(task.model.onnxPath, {
      intraOpNumThreads: task.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
    });
  sessions.set(key, session);
  process.send?.(await measure(task, await session));
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
