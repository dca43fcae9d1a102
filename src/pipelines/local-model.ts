import type { Preprocessing } from '../image/preprocess.ts';
import { Batcher } from '../inference/batcher.ts';

import type { OutputName } from '../runtime/session.ts';
import { openSessionThread } from './session-thread.ts';

/** Images in one run: enough for the arithmetic to be efficient, few enough to stay in the processor's cache. */
const BATCH_SIZE = 16;
/** A job leaves the other cores to those who wait for answers. */
const THREADS = 1;

/** A model whose session is in this process, on a thread of its own: what a training job computes with. */
export interface LocalModel {
  /** Of the runtime's library. */
  readonly version: string;
  /** One image to one row of an output; who calls many times at once shares batches. */
  compute(pixels: Uint8Array, output: OutputName): Promise<Float32Array>;
  close(): Promise<void>;
}

/** What is opened of a converted model. */
interface ComputingModel {
  readonly onnxPath: string;
  /** Images that it takes at once; any number when absent. */
  readonly maxBatch?: number | undefined;
}

/** Opens a converted model on ONNX Runtime. */
export async function openLocalModel(
  { onnxPath, maxBatch = BATCH_SIZE }: ComputingModel,
  { inputSize }: Preprocessing,
): Promise<LocalModel> {
  const session = await openSessionThread({ runtime: 'onnx', path: onnxPath, threads: THREADS });
  let turn: Promise<unknown> = Promise.resolve();
  const batcher = new Batcher({
    engines: {
      size: 1,
      // A session runs one batch at a time.
      acquire: () => {
        let release = (): void => {};
        const lent = turn.then(() => ({ run: session.run, release: () => release() }));
        turn = new Promise<void>((resolve) => {
          release = resolve;
        });
        return lent;
      },
    },
    imageShape: [...inputSize, 3],
    maxBatchSize: Math.min(BATCH_SIZE, maxBatch),
    queueLimit: Number.POSITIVE_INFINITY,
  });
  return {
    version: session.version,
    compute: async (pixels, output) => {
      const { outputs } = await batcher.submit(pixels, { priority: 'training', outputs: [output] });
      const row = outputs[output];
      if (row === undefined) throw new Error(`the model gave no ${output}`);
      // A copy of its own: the row is a view into its whole batch, which it would keep in memory.
      return row.slice();
    },
    close: async () => {
      await batcher.close();
      await session.close();
    },
  };
}
