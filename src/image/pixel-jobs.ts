/** Work on pixels in other threads. */
import { availableParallelism } from 'node:os';
import { compiledEntry } from '../common/compiled-entry.ts';
import { fastResample, type Resize } from './fast-resample.ts';
import type { Shrink } from './jpeg/planes.ts';
import type { PixelJobKind, PixelJobs, PixelValues } from './pixel-messages.ts';
import { PixelThreads } from './pixel-threads.ts';
import type { RgbImage } from './resample.ts';
import type { TrainingSample } from './training-sample.ts';

const MAX_THREADS = Math.min(4, availableParallelism());
/** Resizing fewer pixels takes less time than the message would. */
const MIN_PIXELS = 1 << 15;
/** No job takes a second of a processor; a thread that has not answered for so long never will. */
const MAX_JOB_MS = 60_000;

const threads = new PixelThreads(compiledEntry(import.meta.url, 'pixel-worker.js'), MAX_THREADS, MAX_JOB_MS);

/** Starts a thread and compiles its code, so that the first image does not wait for them: 50 to 100 ms. */
export async function warmPixelThread(): Promise<void> {
  const [width, height] = [2, 2];
  const pixels = new Uint8Array(width * height * 3);
  const resize: Resize = { width, height, window: { left: 0, top: 0, width, height }, interpolation: 'bilinear' };
  await threads.run('resample', { source: { pixels, width, height }, resize }, pixels).catch(() => undefined);
}

/**
 * Decodes a JPEG in another thread, to the pixels that libjpeg gives.
 * @returns undefined for a file that is damaged or of a rare kind: another decoder must say what it is
 */
export function decodeJpegInThread(file: Uint8Array): Promise<RgbImage | undefined> {
  return runJpeg('decode', file, (copy) => ({ file: copy }));
}

/**
 * Decodes and resizes a JPEG in another thread; see `decodeJpegInThread`.
 * @param signal drops the job while it waits for a thread
 * @returns the pixels of the window
 * @throws the reason of the signal
 */
export function resizeJpegInThread(
  file: Uint8Array,
  shrink: Shrink,
  resize: Resize,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  return runJpeg('resize', file, (copy) => ({ file: copy, shrink, resize }), signal);
}

/** Takes a sample of a JPEG in another thread; see `decodeJpegInThread`. */
export function sampleJpegInThread(
  file: Uint8Array,
  wanted: Omit<PixelJobs['sample'], 'source'>,
): Promise<TrainingSample | undefined> {
  return runJpeg('sample', file, (source) => ({ source, ...wanted }));
}

/** Makes copies of a JPEG in another thread; see `decodeJpegInThread`. */
export function copyJpegInThread(
  file: Uint8Array,
  wanted: Omit<PixelJobs['copies'], 'source'>,
): Promise<readonly Uint8Array[] | undefined> {
  return runJpeg('copies', file, (source) => ({ source, ...wanted }));
}

/** Whatever fails, such as memory that cannot be had, the other decoder may still read the file. */
async function runJpeg<Kind extends PixelJobKind>(
  type: Kind,
  file: Uint8Array,
  given: (copy: Uint8Array) => PixelJobs[Kind],
  signal?: AbortSignal,
): Promise<PixelValues[Kind] | undefined> {
  const copy = new Uint8Array(file);
  try {
    return await threads.run(type, given(copy), copy, signal);
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** `fastResample` in another thread. @param source is not usable any more, since its memory moves there and is lost */
export async function resampleInThread(source: RgbImage, resize: Resize): Promise<Uint8Array> {
  const { width, height, window, interpolation } = resize;
  const isSmall = source.width * source.height < MIN_PIXELS;
  if (isSmall || window.width === 0 || window.height === 0) {
    return fastResample(source, width, height, window, interpolation);
  }
  return runPixels('resample', source, (own) => ({ source: own, resize }));
}

/** `sampleOf` in another thread. @param image is not usable any more */
export function sampleInThread(image: RgbImage, wanted: Omit<PixelJobs['sample'], 'source'>): Promise<TrainingSample> {
  return runPixels('sample', image, (source) => ({ source, ...wanted }));
}

/** `copiesOf` in another thread. @param image is not usable any more */
export function copyInThread(
  image: RgbImage,
  wanted: Omit<PixelJobs['copies'], 'source'>,
): Promise<readonly Uint8Array[]> {
  return runPixels('copies', image, (source) => ({ source, ...wanted }));
}

async function runPixels<Kind extends PixelJobKind>(
  type: Kind,
  image: RgbImage,
  given: (own: RgbImage) => PixelJobs[Kind],
): Promise<PixelValues[Kind]> {
  const { pixels } = image;
  // Memory that is shared with others, as that of small buffers is, cannot move.
  const own = pixels.byteLength === pixels.buffer.byteLength ? pixels : new Uint8Array(pixels);
  const value = await threads.run(type, given({ ...image, pixels: own }), own);
  if (value === undefined) throw new Error('pixels were not taken');
  return value;
}
