/**
 * Measures whether the batcher finds the size of batches, and the number of threads, that computes the most images a
 * second: fixed settings and the learned one take turns within each round, over the same engines, with the same number
 * of images in flight. There is no HTTP and no decoding, which would hide the differences.
 */
import { BatchSizing, type SessionKind } from '../src/serving/batch-sizing.ts';
import { Batcher, type BatcherOptions } from '../src/serving/batcher.ts';
import type { EngineModel } from '../src/serving/engine-messages.ts';
import { engineModels } from '../src/serving/engine-models.ts';
import { median } from './bench/measurement.ts';
import { expectEnd, readCommandLine, wholeNumber } from './command-line.ts';
import { type ScriptContext, withServices } from './with-services.ts';

const USAGE = `usage: npm run bench:batches -- [options]

Compares the batch size that the server learns with fixed ones: images per second of the engines,
medians over the rounds, and the ratio of the learned setting to the best fixed one.

  --models <name,...>    (default: the three embedded models)
  --sizes <n,...>        fixed sizes (default: 1,2,4,8,16)
  --concurrency <n>      images in flight (default: 64)
  --ms <n>               the least duration of one measurement (default: 500)
  --rounds <n>           measurements of each setting, taken in turns (default: 5)
  --learn <n>            seconds of load in which the server learns before them (default: 10)`;

const options = readCommandLine(
  USAGE,
  {
    models: { type: 'string', default: 'resnet18_slim.tiny200,vgg11_bn_slim.tiny200,inception_v1_slim.tiny200' },
    sizes: { type: 'string', default: '1,2,4,8,16' },
    concurrency: { type: 'string', default: '64' },
    ms: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '5' },
    learn: { type: 'string', default: '10' },
  },
  ({ values, positionals }) => {
    expectEnd(positionals);
    return {
      models: values.models.split(','),
      sizes: values.sizes.split(',').map((text) => wholeNumber('--sizes', text, 1)),
      concurrency: wholeNumber('--concurrency', values.concurrency, 1),
      ms: wholeNumber('--ms', values.ms, 1),
      learn: wholeNumber('--learn', values.learn, 1),
      rounds: wholeNumber('--rounds', values.rounds, 1),
    };
  },
);

/** A way to make batches, and the images per second that it gave in each round. */
interface Setting {
  readonly name: string;
  readonly batcher: Batcher;
  readonly rates: number[];
}

async function settingsOf(name: string, { services, config }: ScriptContext): Promise<[Setting, ...Setting[]]> {
  const { engines } = services;
  const version = services.registry.resolve(name);
  const { many, alone } = engineModels(version, await services.conversions.get(version), 'onnx', {
    threads: config.engineThreads,
    cores: config.cores,
    memoryBytes: Number.POSITIVE_INFINITY,
    concurrency: (model) => engines.concurrency(model),
  });
  const models = alone === many ? [many] : [many, alone];
  const kindOf = (model: EngineModel): SessionKind => ({
    threads: model.threads,
    atOnce: engines.concurrency(model),
  });
  const setting = (
    name: string,
    sizing: BatcherOptions['sizing'],
    modelFor: (waiting: number) => EngineModel,
  ): Setting => {
    const batcher: Batcher = new Batcher({
      engines: { acquire: (priority) => engines.acquire(modelFor(batcher.queued), priority) },
      sizing,
      imageShape: [...version.manifest.preprocessing.inputSize, 3],
      maxBatchSize: Math.max(...options.sizes),
      queueLimit: Number.POSITIVE_INFINITY,
    });
    return { name, batcher, rates: [] };
  };
  const [first, ...others] = models.map(kindOf);
  if (first === undefined) throw new Error('a model has no sessions');
  const sizing = new BatchSizing(Math.max(...options.sizes), [first, ...others]);
  const learned = setting('learned', sizing, (waiting) => (sizing.threads(waiting) === alone.threads ? alone : many));
  const fixed = models.flatMap((model) =>
    options.sizes.map((size) => {
      const { threads, atOnce } = kindOf(model);
      const images = (_: number, waiting: number): number => Math.min(size, Math.ceil(waiting / atOnce));
      return setting(`${atOnce} x ${threads}, ${size}`, { images, record: () => undefined }, () => model);
    }),
  );
  return [learned, ...fixed];
}

/** Keeps images in flight until the time is over and those are answered. @returns images per second */
async function measure({ batcher }: Setting, image: Uint8Array, ms: number): Promise<number> {
  const start = performance.now();
  let images = 0;
  const caller = async (): Promise<void> => {
    do {
      await batcher.submit(image, { priority: 'interactive', outputs: ['probabilities'] });
      images += 1;
    } while (performance.now() - start < ms);
  };
  await Promise.all(Array.from({ length: options.concurrency }, caller));
  return (1000 * images) / (performance.now() - start);
}

await withServices(async (context) => {
  for (const name of options.models) {
    const { inputSize } = context.services.registry.resolve(name).manifest.preprocessing;
    const image = Uint8Array.from({ length: inputSize[0] * inputSize[1] * 3 }, (_, index) => (index * 37) % 256);
    const settings = await settingsOf(name, context);
    const [learned, ...fixed] = settings;
    for (const setting of fixed) await measure(setting, image, options.ms);
    await measure(learned, image, 1000 * options.learn);
    for (let round = 0; round < options.rounds; round++) {
      for (const setting of settings) setting.rates.push(await measure(setting, image, options.ms));
    }
    const best = fixed.toSorted((a, b) => median(b.rates) - median(a.rates))[0] ?? learned;
    const ratio = median(learned.rates.map((rate, round) => rate / (best.rates[round] ?? Number.NaN)));
    console.log(`${name}: learned / best (${best.name}) ${ratio.toFixed(3)}`);
    for (const setting of settings) console.log(`  ${setting.name.padEnd(10)} ${median(setting.rates).toFixed(1)}`);
  }
});
