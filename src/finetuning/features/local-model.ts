import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Preprocessing } from '../../image/crop.ts';
import type { OutputName } from '../../runtime/session.ts';
import { BatchSizing } from '../../serving/batch-sizing.ts';
import { Batcher } from '../../serving/batcher.ts';
import { SessionPool } from './session-pool.ts';

/** The most images in one run. Which number is best is measured as they run. */
const BATCH_SIZE = 16;
/** Sessions with one thread each compute more images than one session with all threads. */
const THREADS = 1;
/** Most sessions at once. Requests go first all the same: a training process has the lowest priority. */
export const MAX_SESSIONS = Math.min(4, availableParallelism());
/** Images to ask for at once: each session computes a batch while its next one is decoded. */
export const IN_FLIGHT = 2 * BATCH_SIZE * MAX_SESSIONS;
/** Each session holds the weights: there are only as many as have room in so many bytes, but at least one. */
const WEIGHTS_BYTES = 512 * 1024 * 1024;

/** A model of a training process, in threads of that process. */
export interface LocalModel {
  /** Version of the runtime's library, once the model is loaded. @throws Error when it cannot be loaded */
  readonly loaded: Promise<string>;
  /** Computes an output of one image, once the model is loaded. Concurrent calls share batches. */
  compute(pixels: Uint8Array, output: OutputName): Promise<Float32Array>;
  /** Computes several outputs of one image in one run, in the order of their names. */
  computeAll(pixels: Uint8Array, outputs: readonly OutputName[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** The part of a converted model that is opened. */
interface ComputingModel {
  readonly onnxPath: string;
  /** Images that it takes at once; any number when absent. */
  readonly maxBatch?: number | undefined;
}

/** Opens a converted model with ONNX Runtime. It loads in the background. @param sessions the most batches at once */
export function openLocalModel(
  { onnxPath, maxBatch = BATCH_SIZE }: ComputingModel,
  { inputSize }: Preprocessing,
  sessions = 1,
): LocalModel {
  const count = sessions === 1 ? 1 : Math.max(1, Math.min(sessions, Math.floor(WEIGHTS_BYTES / sizeOf(onnxPath))));
  const pool = new SessionPool({ runtime: 'onnx', path: onnxPath, threads: THREADS }, count);
  const most = Math.min(BATCH_SIZE, maxBatch);
  const batcher = new Batcher({
    engines: pool,
    imageShape: [...inputSize, 3],
    sizing: new BatchSizing(most, [{ threads: THREADS, atOnce: count }]),
    maxBatchSize: most,
    queueLimit: Number.POSITIVE_INFINITY,
  });
  const computeAll: LocalModel['computeAll'] = async (pixels, names) => {
    const { outputs } = await batcher.submit(pixels, { priority: 'training', outputs: names });
    return names.map((name) => {
      const row = outputs[name];
      if (row === undefined) throw new Error(`the model has no output ${name}`);
      // Copied: the row is a view of its batch, which would stay in memory.
      return row.slice();
    });
  };
  return {
    loaded: pool.loaded,
    computeAll,
    compute: async (pixels, output) => {
      const [row] = await computeAll(pixels, [output]);
      if (row === undefined) throw new Error(`the model has no output ${output}`);
      return row;
    },
    close: async () => {
      await batcher.close();
      await pool.close();
    },
  };
}

/** Bytes of a file; 1 when it is not there, which the session says better. */
function sizeOf(path: string): number {
  return Math.max(1, statSync(path, { throwIfNoEntry: false })?.size ?? 1);
}
