/**
 * Embeds newly trained weights in the zoo: node dist/scripts/pretrain/embed.js <folder with weights.safetensors and
 * card.json>
 *
 * Copies the weights and the training log to `zoo/<name>` and updates its manifest: digest, size, preprocessing,
 * training recipe and accuracy. Title, architecture, labels and licence are kept.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readConfig } from '../../src/config.ts';
import { manifestSchema } from '../../src/registry/manifest.ts';

const WEIGHTS = 'weights.safetensors';

/** Data sets of the accuracies in a card, by the names that the training script uses. */
const EVALUATION_SETS: Readonly<Record<string, { dataset: string; images: number }>> = {
  tiny_imagenet_val_10000: { dataset: 'Tiny ImageNet 200, validation', images: 10_000 },
  tiny_val_zip_1000: { dataset: 'Tiny ImageNet 200, validation, the first five images a class', images: 1_000 },
  shared_photos_40: { dataset: 'photographs of known classes', images: 40 },
};

const cardSchema = z.object({
  name: z.string(),
  input_size: z.tuple([z.number(), z.number(), z.number()]),
  mean: z.array(z.number()),
  std: z.array(z.number()),
  crop_pct: z.number(),
  interpolation: z.string(),
  num_classes: z.number(),
  num_features: z.number(),
  parameters: z.number(),
  training: z.record(z.string(), z.json()),
  accuracy: z.record(z.string(), z.object({ top1: z.number(), top5: z.number(), ece_15_bins: z.number().optional() })),
});

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: embed.js <folder with weights.safetensors and card.json>');

const { zooDir } = readConfig({});
const card = cardSchema.parse(JSON.parse(await readFile(join(folder, 'card.json'), 'utf8')));
const target = join(zooDir, card.name);
await mkdir(target, { recursive: true });
await copyFile(join(folder, WEIGHTS), join(target, WEIGHTS));
await copyFile(join(folder, 'training-log.jsonl'), join(target, 'training-log.jsonl'));

const weights = await readFile(join(target, WEIGHTS));
const manifestPath = join(target, 'manifest.json');
const { name, title, architecture, needs, labels, license } = JSON.parse(await readFile(manifestPath, 'utf8'));
const { training, accuracy, name: _, ...preprocessing } = card;
const manifest = manifestSchema.parse({
  schema: 1,
  name,
  title,
  architecture,
  weights: {
    file: WEIGHTS,
    sha256: createHash('sha256').update(weights).digest('hex'),
    size_bytes: weights.byteLength,
  },
  ...preprocessing,
  needs,
  labels,
  license,
  training,
  accuracy: Object.entries(accuracy).map(([set, figures]) => ({
    ...(EVALUATION_SETS[set] ?? { dataset: set }),
    ...figures,
  })),
});
await writeFile(manifestPath, `${JSON.stringify({ $schema: '../manifest.schema.json', ...manifest }, null, 2)}\n`);
console.log(`${name}: ${weights.byteLength} bytes, ${manifest.weights.sha256}`);
