import type { Preprocessing } from '../../image/crop.ts';
import type { OutputName } from '../../runtime/session.ts';
import { Batcher } from '../../serving/batcher.ts';
import { openSessionThread } from './session-thread.ts';

/** Images in one run: enough for the arithmetic to be efficient, few enough to stay in the processor's cache. */
const BATCH_SIZE = 16;
/** A job leaves the other cores to those who wait for answers. */
const THREADS = 1;

/** A model whose session is in this process, on a thread of its own: what a training job computes with. */
export interface LocalModel {
  /** Version of the runtime's library, once the model is loaded. @throws when it cannot be */
  readonly loaded: Promise<string>;
  /** One image to one row of an output, once the model is loaded; who calls many times at once shares batches. */
  compute(pixels: Uint8Array, output: OutputName): Promise<Float32Array>;
  close(): Promise<void>;
}

/** What is opened of a converted model. */
interface ComputingModel {
  readonly onnxPath: string;
  /** Images that it takes at once; any number when absent. */
  readonly maxBatch?: number | undefined;
}

/** Opens a converted model on ONNX Runtime, beside what its caller does meanwhile. */
export function openLocalModel(
  { onnxPath, maxBatch = BATCH_SIZE }: ComputingModel,
  { inputSize }: Preprocessing,
): LocalModel {
  const opening = openSessionThread({ runtime: 'onnx', path: onnxPath, threads: THREADS });
  const loaded = opening.then(({ version }) => version);
  // Whoever computes is told; nobody has to ask before.
  loaded.catch(() => undefined);
  let turn: Promise<unknown> = opening;
  const batcher = new Batcher({
    engines: {
      size: 1,
      // A session runs one batch at a time.
      acquire: async () => {
        const before = turn;
        let release = (): void => {};
        turn = new Promise<void>((resolve) => {
          release = resolve;
        });
        try {
          await before;
          return { run: (await opening).run, release: () => release() };
        } catch (thrown) {
          release();
          throw thrown;
        }
      },
    },
    imageShape: [...inputSize, 3],
    maxBatchSize: Math.min(BATCH_SIZE, maxBatch),
    queueLimit: Number.POSITIVE_INFINITY,
  });
  return {
    loaded,
    compute: async (pixels, output) => {
      const { outputs } = await batcher.submit(pixels, { priority: 'training', outputs: [output] });
      const row = outputs[output];
      if (row === undefined) throw new Error(`the model gave no ${output}`);
      // A copy of its own: the row is a view into its whole batch, which it would keep in memory.
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
