import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import type { PixelTensor } from '../../src/common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../../src/runtime/session.ts';
import type { BatchItem } from '../../src/serving/batch-queue.ts';
import { BatchSizing } from '../../src/serving/batch-sizing.ts';
import { Batcher, type BatcherOptions, type BatchTimings } from '../../src/serving/batcher.ts';
import type { EngineLease } from '../../src/serving/engine-slot.ts';
import type { Priority } from '../../src/serving/priority.ts';

/** Engines that become free, and answer, when a test says so. The logit of an image is its first pixel. */
class HandEngines implements Engines {
  readonly size: number;
  readonly asked: { priority: Priority; grant: (engine: EngineLease) => void; refuse: (error: Error) => void }[] = [];
  readonly runs: { images: number[]; outputs: readonly AnswerName[]; classes?: ExplainedClasses }[] = [];
  released = 0;
  onRun: () => Promise<void> = () => Promise.resolve();
  /** What the engine answers for an image. */
  valueOf = (pixel: number): number => pixel;

  constructor(size = 1) {
    this.size = size;
  }

  acquire(priority: Priority): Promise<EngineLease> {
    return new Promise((grant, refuse) => this.asked.push({ priority, grant, refuse }));
  }

  /** Lends an engine to the oldest request for one. */
  async lend(): Promise<void> {
    await settled();
    const waiter = this.asked.shift();
    if (waiter === undefined) throw new Error('nobody asked for an engine');
    waiter.grant({ threads: 1, cpuMs: 0, run: (...input) => this.#run(...input), release: () => this.released++ });
    await settled();
  }

  async #run(
    { data, shape: [n = 0] }: PixelTensor,
    outputs: readonly AnswerName[],
    classes?: ExplainedClasses,
  ): Promise<Outputs> {
    const images = Array.from({ length: n }, (_, row) => data[row * 3] ?? -1);
    this.runs.push({ images, outputs, ...(classes && { classes }) });
    await this.onRun();
    const tensor = { data: Float32Array.from(images, this.valueOf), shape: [n, 1] };
    return Object.fromEntries(outputs.map((name) => [name, tensor]));
  }
}

type Engines = BatcherOptions['engines'];

const image = (value: number) => Uint8Array.of(value, 0, 0);
const item = (priority: Priority = 'interactive', outputs: AnswerName[] = ['logits']): BatchItem => ({
  priority,
  outputs,
});
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

function batcherOn(engines: HandEngines, options: Partial<BatcherOptions> = {}): Batcher {
  const maxBatchSize = options.maxBatchSize ?? 4;
  const sizing = new BatchSizing(maxBatchSize, [{ threads: 1, atOnce: engines.size }]);
  return new Batcher({ engines, sizing, imageShape: [1, 1, 3], maxBatchSize, queueLimit: 8, ...options });
}

describe('a batch', () => {
  it('is one image on an idle server', async () => {
    const engines = new HandEngines();
    const answer = batcherOn(engines).submit(image(7), item());
    await engines.lend();
    expect(await answer).toMatchObject({ batchSize: 1, outputs: { logits: Float32Array.of(7) } });
    expect(engines.released).toBe(1);
  });

  it('fails an image whose values are not finite, and answers the others', async () => {
    const engines = new HandEngines();
    engines.valueOf = (pixel) => [Number.NaN, Number.POSITIVE_INFINITY, 2][pixel] ?? 0;
    const batcher = batcherOn(engines);
    const answers = Promise.allSettled([0, 1, 2].map((value) => batcher.submit(image(value), item())));
    await engines.lend();
    const refusal = {
      status: 'rejected',
      reason: { code: 'internal', message: expect.stringContaining('not finite') },
    };
    expect(await answers).toMatchObject([refusal, refusal, { status: 'fulfilled', value: { batchSize: 3 } }]);
  });

  it('takes the images that wait when an engine becomes free, oldest first, up to the limit', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines);
    const answers = [1, 2, 3, 4, 5, 6].map((value) => batcher.submit(image(value), item()));
    await engines.lend();
    await engines.lend();
    expect(engines.runs.map(({ images }) => images)).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
    const logits = (await Promise.all(answers)).map(({ outputs }) => outputs.logits?.[0]);
    expect(logits).toEqual([1, 2, 3, 4, 5, 6]);
    expect(engines.asked).toEqual([]);
  });

  it('leaves the other engines their share', async () => {
    const engines = new HandEngines(2);
    const batcher = batcherOn(engines);
    const answers = [1, 2, 3, 4, 5].map((value) => batcher.submit(image(value), item()));
    await engines.lend();
    await engines.lend();
    await engines.lend();
    expect(engines.runs.map(({ images }) => images)).toEqual([[1, 2, 3], [4], [5]]);
    await Promise.all(answers);
  });

  it('has only images that want the same outputs', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines);
    const wanted: AnswerName[][] = [['logits'], ['logits', 'explanation'], ['logits'], ['logits', 'explanation']];
    const answers = wanted.map((outputs, index) =>
      batcher.submit(image(index), { ...item('interactive', outputs), explainedClass: 10 * index }),
    );
    await engines.lend();
    await engines.lend();
    expect(engines.runs).toEqual([
      { images: [0, 2], outputs: ['logits'] },
      { images: [1, 3], outputs: ['logits', 'explanation'], classes: [10, 30] },
    ]);
    const given = (await Promise.all(answers)).map(({ outputs }) => Object.keys(outputs));
    expect(given).toEqual(wanted);
  });

  it('that fails rejects its own images and no others', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines, { maxBatchSize: 2 });
    const answers = [1, 2, 3].map((value) => batcher.submit(image(value), item()));
    engines.onRun = () => Promise.reject(new AppError('engine_lost', 'gone'));
    const outcomes = Promise.allSettled(answers);
    await engines.lend();
    engines.onRun = () => Promise.resolve();
    await engines.lend();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(engines.released).toBe(2);
  });

  it('is reported once, with the wait of its oldest image', async () => {
    const engines = new HandEngines();
    const seen: BatchTimings[] = [];
    const batcher = batcherOn(engines, { onBatch: (timings) => seen.push(timings) });
    const answers = [1, 2].map((value) => batcher.submit(image(value), item()));
    await engines.lend();
    const [first] = await Promise.all(answers);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ batchSize: 2, queueMs: first?.queueMs });
  });
});

describe('priorities', () => {
  it('are served in the order interactive, bulk, training, in separate batches', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines);
    const answers = [
      batcher.submit(image(1), item('training')),
      batcher.submit(image(2), item('bulk')),
      batcher.submit(image(3), item('interactive')),
      batcher.submit(image(4), item('bulk')),
    ];
    await settled();
    expect(engines.asked.map(({ priority }) => priority)).toEqual(['training', 'bulk', 'interactive']);
    for (let count = 0; count < 3; count += 1) await engines.lend();
    await Promise.all(answers);
    expect(engines.runs.map(({ images }) => images)).toEqual([[3], [2, 4], [1]]);
  });
});

describe('the queue', () => {
  it('refuses more images than its limit and says when to try again', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines, { queueLimit: 2 });
    const answers = [1, 2].map((value) => batcher.submit(image(value), item()));
    expect(batcher.queued).toBe(2);
    const refused = batcher.submit(image(3), item());
    await expect(refused).rejects.toMatchObject({ code: 'queue_full', retryAfter: 1, context: { limit: 2 } });
    await engines.lend();
    await Promise.all(answers);
    expect(batcher.queued).toBe(0);
  });

  it('drops an image whose client is gone, and keeps the others', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines);
    const hangUp = new AbortController();
    const gone = batcher.submit(image(1), { ...item(), signal: hangUp.signal });
    const stays = batcher.submit(image(2), item());
    hangUp.abort(new Error('client is gone'));
    await expect(gone).rejects.toThrow('client is gone');
    await engines.lend();
    expect((await stays).batchSize).toBe(1);
    expect(engines.runs).toEqual([{ images: [2], outputs: ['logits'] }]);
  });

  it('refuses an image whose client is already gone', async () => {
    const engines = new HandEngines();
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(batcherOn(engines).submit(image(1), { ...item(), signal })).rejects.toThrow('too late');
    expect(engines.asked).toEqual([]);
  });

  it('returns the engine when all images that waited were dropped', async () => {
    const engines = new HandEngines();
    const hangUp = new AbortController();
    const gone = batcherOn(engines).submit(image(1), { ...item(), signal: hangUp.signal });
    hangUp.abort(new Error('client is gone'));
    await expect(gone).rejects.toThrow();
    await engines.lend();
    expect(engines.runs).toEqual([]);
    expect(engines.released).toBe(1);
  });

  it('rejects the images that wait when no engine is available', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines);
    const outcomes = Promise.allSettled([batcher.submit(image(1), item()), batcher.submit(image(2), item())]);
    await settled();
    engines.asked.shift()?.refuse(new AppError('engine_lost', 'no engine stays up'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const next = batcher.submit(image(3), item());
    await engines.lend();
    expect((await next).batchSize).toBe(1);
  });

  it('refuses pixels that are not one image', async () => {
    await expect(batcherOn(new HandEngines()).submit(new Uint8Array(4), item())).rejects.toThrow('not one image');
  });
});

describe('a delay', () => {
  it('ends when the batch is full, long before its time', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines, { maxBatchSize: 2, maxDelayMs: 600_000 });
    const first = batcher.submit(image(1), item());
    await settled();
    expect(engines.asked).toEqual([]);
    const second = batcher.submit(image(2), item());
    await settled();
    await engines.lend();
    expect((await Promise.all([first, second])).map(({ batchSize }) => batchSize)).toEqual([2, 2]);
  });

  it('ends when the batcher is closed', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines, { maxDelayMs: 600_000 });
    const answer = batcher.submit(image(1), item());
    const closed = batcher.close();
    await settled();
    await engines.lend();
    await Promise.all([answer, closed]);
  });
});

describe('close', () => {
  it('answers the images that wait, refuses new ones, and then settles', async () => {
    const engines = new HandEngines();
    const batcher = batcherOn(engines);
    const answer = batcher.submit(image(1), item());
    const order: string[] = [];
    const closed = batcher.close().then(() => order.push('closed'));
    void answer.then(() => order.push('answered'));
    await expect(batcher.submit(image(2), item())).rejects.toMatchObject({ code: 'shutting_down' });
    await engines.lend();
    await closed;
    expect(order).toEqual(['answered', 'closed']);
  });

  it('settles at once when nothing waits', async () => {
    await batcherOn(new HandEngines()).close();
  });
});
