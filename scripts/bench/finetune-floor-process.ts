/** A process of the floor of a fine-tune (finetune-floor.ts), at the priority of a training process. */
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import * as ort from 'onnxruntime-node';
import { decodeImage } from '../../src/image/decode.ts';
import { NotTaken } from '../../src/image/jpeg/jpeg-file.ts';
import { decodeJpeg } from '../../src/image/jpeg/jpeg-to-pixels.ts';

/** What a process does; it answers with the seconds that it took. */
export type FinetuneFloorTask =
  | { readonly type: 'decode'; readonly files: readonly string[] }
  | { readonly type: 'features'; readonly network: FloorNetwork; readonly batch: number; readonly images: number };

/** The network, and the threads of its session. */
export interface FloorNetwork {
  readonly onnxPath: string;
  readonly inputSize: readonly [height: number, width: number];
  readonly threads: number;
}

const MAX_PIXELS = 50_000_000;
let opened: { readonly key: string; readonly session: ort.InferenceSession } | undefined;

async function decode(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const bytes = await readFile(file);
    try {
      decodeJpeg(bytes);
    } catch (thrown) {
      if (!(thrown instanceof NotTaken)) throw thrown;
      await decodeImage(bytes, MAX_PIXELS);
    }
  }
}

async function open({ onnxPath, threads }: FloorNetwork): Promise<ort.InferenceSession> {
  const key = `${threads} ${onnxPath}`;
  if (opened?.key === key) return opened.session;
  await opened?.session.release();
  const session = await ort.InferenceSession.create(onnxPath, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  opened = { key, session };
  return session;
}

/** The values of the pixels do not change the time. */
async function compute(
  session: ort.InferenceSession,
  { network: { inputSize }, batch, images }: Extract<FinetuneFloorTask, { type: 'features' }>,
): Promise<void> {
  const [height, width] = inputSize;
  for (let done = 0; done < images; done += batch) {
    const count = Math.min(batch, images - done);
    const data = new Uint8Array(count * height * width * 3).fill(128);
    await session.run({ pixels: new ort.Tensor('uint8', data, [count, height, width, 3]) }, ['features']);
  }
}

setPriority(19);
process.on('message', async (task: FinetuneFloorTask) => {
  const session = task.type === 'features' ? await open(task.network) : undefined;
  const start = performance.now();
  if (task.type === 'decode') await decode(task.files);
  else if (session !== undefined) await compute(session, task);
  process.send?.((performance.now() - start) / 1000);
});
process.on('disconnect', () => process.exit(0));
