/** Compares fine-tunes with search=thorough with fine-tunes without a search, on images that neither has seen. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openImageSource, readDataset } from '../src/finetuning/dataset/dataset.ts';
import { openLocalModel } from '../src/finetuning/features/local-model.ts';
import { type FinetuneRequest, parseFinetuneOptions } from '../src/finetuning/finetune-options.ts';
import type { ModelTrainer } from '../src/finetuning/model-trainer.ts';
import { preprocessImage } from '../src/image/preprocess.ts';
import { createModelTrainer } from '../src/services.ts';
import { readCommandLine, required, wholeNumber } from './command-line.ts';
import { heldOutParts, type LabelledFile } from './compare-searches/held-out.ts';
import { mcNemar } from './compare-searches/mcnemar.ts';
import { scoreLine } from './labelled-images.ts';
import { type ScriptContext, withServices } from './with-services.ts';

const USAGE = `usage: npm run compare-searches -- <folder or zip>... [options]

Fine-tunes on each data set with search=thorough and without a search, and prints the accuracy of
both on the same test images, which neither has seen: those of the test split where the data set
has one, else every image in turn, by cross-validation. The p-value is that of McNemar's exact
test, two-sided. The backbones are those that are in DATA_DIR; features are computed anew.

  --minutes <n>   budget of a search (default: 5)
  --folds <n>     of the cross-validation (default: 2)`;

const { datasets, minutes, folds } = readCommandLine(
  USAGE,
  { minutes: { type: 'string', default: '5' }, folds: { type: 'string', default: '2' } },
  ({ values, positionals }) => {
    required('a folder or zip', positionals[0]);
    return {
      datasets: positionals,
      minutes: wholeNumber('--minutes', values.minutes, 1),
      folds: wholeNumber('--folds', values.folds, 2),
    };
  },
);

/** Fine-tunes with and without a search. */
const WAYS = [
  { title: 'search=thorough', options: { search: 'thorough', budget_minutes: minutes } },
  { title: 'default', options: {} },
] as const satisfies readonly { readonly title: string; readonly options: Partial<FinetuneRequest> }[];

await withServices(async (context) => {
  for (const path of datasets) await compare(path, context);
});

async function compare(path: string, context: ScriptContext): Promise<void> {
  const source = await openImageSource(path);
  const right: boolean[][] = WAYS.map(() => []);
  console.log(path.split('/').at(-1));
  try {
    const { files } = await readDataset(source);
    const labelled = await Promise.all(
      files.map(async (each): Promise<LabelledFile> => ({ ...each, content: await source.read(each.file) })),
    );
    for (const { training, test } of heldOutParts(labelled, folds)) {
      for (const [way, { title, options }] of WAYS.entries()) {
        const { seconds, backbone, answers } = await trainAndAnswer(training, test, options, context);
        right[way]?.push(...test.map(({ label }, index) => answers[index] === label));
        console.log(`  ${title}: ${seconds.toFixed(0)} s, on ${backbone}`);
      }
    }
  } finally {
    await source.close();
  }
  for (const [way, { title }] of WAYS.entries()) {
    const own = right[way] ?? [];
    console.log(`  ${scoreLine(title, own.filter(Boolean).length, own.length)}`);
  }
  const [searched = [], usual = []] = right;
  const { won, lost, p } = mcNemar(searched, usual);
  console.log(
    `  of ${searched.length} images, ${won} right with the search only, ${lost} without it only; p = ${p.toFixed(4)}`,
  );
}

/** Fine-tunes in folders of its own, and has the model answer the test images. */
async function trainAndAnswer(
  training: readonly LabelledFile[],
  test: readonly LabelledFile[],
  options: Partial<FinetuneRequest>,
  { services, config, logger }: ScriptContext,
): Promise<{ seconds: number; backbone: string; answers: (string | undefined)[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'menagerie-searches-'));
  try {
    for (const [index, { label, content }] of training.entries()) {
      const place = join(folder, 'images', label);
      await mkdir(place, { recursive: true });
      await writeFile(join(place, `${index}.${content[0] === 0x89 ? 'png' : 'jpg'}`), content);
    }
    const trainer: ModelTrainer = createModelTrainer(services, { ...config, dataDir: folder }, logger, folder);
    const name = `searched-${randomUUID().slice(0, 8)}`;
    const began = performance.now();
    await trainer.train(parseFinetuneOptions({ ...options, name, corruptions: false }), join(folder, 'images'), name, {
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    const seconds = (performance.now() - began) / 1000;
    const model = services.registry.resolve(name);
    const { onnx } = await services.conversions.get(model);
    const { labels, preprocessing, file } = model.manifest;
    const network = openLocalModel({ onnxPath: onnx.path }, preprocessing);
    try {
      const answers = await Promise.all(
        test.map(async ({ content }) => {
          const { pixels } = await preprocessImage(content, preprocessing, config.maxImagePixels);
          const scores = await network.compute(pixels, 'probabilities');
          return labels[scores.indexOf(Math.max(...scores))]?.label;
        }),
      );
      return { seconds, backbone: String(file.provenance?.['backbone'] ?? ''), answers };
    } finally {
      await network.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
