import type { Preprocessing } from '../../image/crop.ts';
import type { OutputName } from '../../runtime/session.ts';
import { Batcher } from '../../serving/batcher.ts';
import { openSessionThread } from './session-thread.ts';

/** Images in one run: many enough for efficient arithmetic, few enough for the processor's cache. */
const BATCH_SIZE = 16;
/** The other cores are for requests. */
const THREADS = 1;

/** A model of a training process, in a thread of that process. */
export interface LocalModel {
  /** Version of the runtime's library, once the model is loaded. @throws Error when it cannot be loaded */
  readonly loaded: Promise<string>;
  /** Computes an output of one image, once the model is loaded. Concurrent calls share batches. */
  compute(pixels: Uint8Array, output: OutputName): Promise<Float32Array>;
  close(): Promise<void>;
}

/** The part of a converted model that is opened. */
interface ComputingModel {
  readonly onnxPath: string;
  /** Images that it takes at once; any number when absent. */
  readonly maxBatch?: number | undefined;
}

/** Opens a converted model with ONNX Runtime. It loads in the background. */
export function openLocalModel(
  { onnxPath, maxBatch = BATCH_SIZE }: ComputingModel,
  { inputSize }: Preprocessing,
): LocalModel {
  const opening = openSessionThread({ runtime: 'onnx', path: onnxPath, threads: THREADS });
  const loaded = opening.then(({ version }) => version);
  // `compute` rejects with the same error.
  loaded.catch(() => undefined);
  let turn: Promise<unknown> = opening;
  const most = Math.min(BATCH_SIZE, maxBatch);
  const batcher = new Batcher({
    engines: {
      // A session runs one batch at a time.
      acquire: async () => {
        const before = turn;
        let release = (): void => {};
        turn = new Promise<void>((resolve) => {
          release = resolve;
        });
        try {
          await before;
          return { threads: THREADS, cpuMs: 0, run: (await opening).run, release: () => release() };
        } catch (thrown) {
          release();
          throw thrown;
        }
      },
    },
    imageShape: [...inputSize, 3],
    sizing: { images: (_, waiting) => Math.min(most, waiting), record: () => undefined },
    maxBatchSize: most,
    queueLimit: Number.POSITIVE_INFINITY,
  });
  return {
    loaded,
    compute: async (pixels, output) => {
      const { outputs } = await batcher.submit(pixels, { priority: 'training', outputs: [output] });
      const row = outputs[output];
      if (row === undefined) throw new Error(`the model has no output ${output}`);
      // Copied: the row is a view of its batch, which would stay in memory.
      return row.slice();
    },
    close: async () => {
      await batcher.close();
      await opening.then(
        (session) => session.close(),
        () => undefined,
      );
    },
  };
}
