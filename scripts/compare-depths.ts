/** Compares fine-tunes of the head alone with fine-tunes of the last stage of the backbone too. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProgressBar } from '../src/command/progress-bar.ts';
import { messageOf } from '../src/common/errors.ts';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { parseFinetuneOptions } from '../src/finetuning/finetune-options.ts';
import { createModelTrainer, createServices } from '../src/services.ts';
import { expectEnd, readCommandLine, required, wholeNumber } from './command-line.ts';

const USAGE = `usage: npm run compare-depths -- <folder or zip> [options]

Fine-tunes each backbone with depth=head and with depth=last_stage on the same images and
splits, and prints the accuracy on the test images. Compare with: npm run baselines.

  --backbones <a,b>   (default: the embedded resnet18_slim, vgg11_bn_slim and inception_v1_slim)
  --seeds <n>         splits and trainings with the seeds 0 to n - 1 (default: 1)

With DATA_DIR set, features are kept there for the next run.`;

const { dataset, backbones, seeds } = readCommandLine(
  USAGE,
  {
    backbones: { type: 'string', default: 'resnet18_slim,vgg11_bn_slim,inception_v1_slim' },
    seeds: { type: 'string', default: '1' },
  },
  ({ values, positionals: [path, ...rest] }) => {
    expectEnd(rest);
    return {
      dataset: required('the folder or zip', path),
      backbones: values.backbones.split(','),
      seeds: wholeNumber('--seeds', values.seeds, 1),
    };
  },
);

const kept = process.env['DATA_DIR'];
const dataDir = kept ?? (await mkdtemp(join(tmpdir(), 'menagerie-depths-')));
const config = readConfig({ ...process.env, DATA_DIR: dataDir });
const logger = createLogger('error');
const services = await createServices(config, logger);
const trainer = createModelTrainer(services, config, logger, dataDir);
const { signal } = new AbortController();

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Trains and prints the accuracy on the test images, and how the training went. */
async function measure(backbone: string, depth: 'head' | 'last_stage', seed: number): Promise<void> {
  const name = `depth-${randomUUID().slice(0, 8)}`;
  const began = performance.now();
  const options = parseFinetuneOptions({ name, backbone, depth, seed });
  const bar = new ProgressBar('epochs');
  const held = new Map<number, number>();
  const { accuracy } = await trainer
    .train(options, dataset, name, {
      signal,
      onProgress: ({ phase, done, total, val_accuracy: share }) => {
        if (phase !== 'training_last_stage' || done === undefined || total === undefined) return;
        if (share !== undefined) held.set(done, share);
        bar.update(done, total, share === undefined ? '' : `validation accuracy ${percent(share)}`);
      },
    })
    .finally(() => bar.end());
  const seconds = (performance.now() - began) / 1000;
  const epochs = [...held.values()].map((share) => percent(share)).join(', ');
  console.log(
    `${backbone} depth=${depth} seed ${seed}: ${percent(accuracy ?? 0)} of the test images, ${seconds.toFixed(0)} s` +
      (epochs && `; of the validation images after each epoch, from the head alone: ${epochs}`),
  );
}

try {
  for (const backbone of backbones) {
    for (let seed = 0; seed < seeds; seed++) {
      await measure(backbone, 'head', seed);
      await measure(backbone, 'last_stage', seed);
    }
  }
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await services.close();
  if (kept === undefined) await rm(dataDir, { recursive: true, force: true });
}
