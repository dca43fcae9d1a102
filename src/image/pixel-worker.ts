/** Entry of a thread that decodes JPEGs and resizes pixels. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../common/errors.ts';
import { fastResample } from './fast-resample.ts';
import { NotTaken } from './jpeg/jpeg-file.ts';
import { decodeJpeg, resizeJpeg } from './jpeg/jpeg-to-pixels.ts';
import type { PixelTask, PixelValue } from './pixel-messages.ts';

parentPort?.on('message', (task: PixelTask) => {
  try {
    const value = run(task);
    const pixels = value instanceof Uint8Array ? value : value.pixels;
    parentPort?.postMessage({ value }, [pixels.buffer as ArrayBuffer]);
  } catch (thrown) {
    parentPort?.postMessage(thrown instanceof NotTaken ? {} : { fault: messageOf(thrown) });
  }
});

function run(task: PixelTask): PixelValue {
  if (task.type === 'decode') return decodeJpeg(task.file);
  if (task.type === 'resize') return resizeJpeg(task.file, task.shrink, task.resize);
  const { width, height, window, interpolation } = task.resize;
  return fastResample(task.source, width, height, window, interpolation);
}
