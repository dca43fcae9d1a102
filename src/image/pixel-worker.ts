/** Entry of a thread that works on pixels. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../common/errors.ts';
import { fastResample } from './fast-resample.ts';
import { NotTaken } from './jpeg/jpeg-file.ts';
import { decodeJpeg, resizeJpeg } from './jpeg/jpeg-to-pixels.ts';
import type { PixelJobKind, PixelSource, PixelTask, PixelValues } from './pixel-messages.ts';
import type { RgbImage } from './resample.ts';
import { copiesOf, sampleOf } from './training-sample.ts';

parentPort?.on('message', (task: PixelTask) => {
  try {
    const value = run(task);
    parentPort?.postMessage({ value }, memoryOf(value));
  } catch (thrown) {
    parentPort?.postMessage(thrown instanceof NotTaken ? {} : { fault: messageOf(thrown) });
  }
});

function run(task: PixelTask): PixelValues[PixelJobKind] {
  switch (task.type) {
    case 'decode':
      return decodeJpeg(task.file);
    case 'resize':
      return resizeJpeg(task.file, task.shrink, task.resize);
    case 'resample': {
      const { width, height, window, interpolation } = task.resize;
      return fastResample(task.source, width, height, window, interpolation);
    }
    case 'sample':
      return sampleOf(pixelsOf(task.source), task.recipe, task.forCopies);
    case 'copies':
      return copiesOf(pixelsOf(task.source), task.recipe, task.augmentation, task.keys);
  }
}

/** @throws NotTaken */
function pixelsOf(source: PixelSource): RgbImage {
  return source instanceof Uint8Array ? decodeJpeg(source) : source;
}

/** The memory of a value, which moves with it. */
function memoryOf(value: object): ArrayBuffer[] {
  if (value instanceof Uint8Array) return [value.buffer as ArrayBuffer];
  const parts = Object.values(value).filter((part) => typeof part === 'object');
  return [...new Set(parts.flatMap(memoryOf))];
}
