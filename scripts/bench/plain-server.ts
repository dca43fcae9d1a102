/**
 * Serves a model as a tutorial would: decode and `session.run` inside an Express handler, with the runtime's default
 * options. Decoding and model are those of our server, so that only the way of serving differs.
 *
 * By default the runtime's threads spin for tens of milliseconds after a run, which keeps a core busy until the next
 * request. With the argument `resting` they sleep between runs, as in our server.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import express from 'express';
import multer from 'multer';
import * as ort from 'onnxruntime-node';
import { topK } from '../../src/answering/postprocess.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import type { BenchModel } from './bench-model.ts';

const sessionOptions = process.argv[2] === 'resting' ? { extra: { session: { force_spinning_stop: '1' } } } : {};
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const app = express();
let session: ort.InferenceSession;
let model: BenchModel;

const readers = [express.raw({ type: 'image/*', limit: '20mb' }), multer().single('image')];
app.post('/classify', ...readers, async (request, response) => {
  const [height, width] = model.preprocessing.inputSize;
  const photo = request.file?.buffer ?? request.body;
  const { pixels } = await preprocessImage(photo, model.preprocessing, 50_000_000);
  const input = new ort.Tensor('uint8', pixels, [1, height, width, 3]);
  const { probabilities } = await session.run({ pixels: input }, ['probabilities']);
  const predictions = topK(probabilities?.data as Float32Array, 5, 0);
  response.json({ predictions: predictions.map(({ index, score }) => ({ label: model.labels[index], score })) });
});

process.on('message', async (message: BenchModel | 'event-loop-delay') => {
  if (message === 'event-loop-delay') {
    process.send?.(delay.percentile(99) / 1e6);
    delay.reset();
    return;
  }
  model = message;
  session = await ort.InferenceSession.create(model.onnxPath, sessionOptions);
  const server = app.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.(typeof address === 'object' ? address?.port : undefined);
  });
});
process.on('disconnect', () => process.exit(0));
