import type { FinetuneOptions, FinetuneProgress } from '../library/finetune-job.ts';
import { defineCommand } from './command.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { choice, expectEnd, flag, required, text, texts } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import { UsageError } from './usage-error.ts';
import { withZoo } from './with-zoo.ts';

/** Trains a model on images of one's own classes. */
export const finetune = defineCommand({
  usage: '<folder or zip> --name <name>',
  details:
    'Trains a model on your own classes and publishes it as a new version of <name>. The folder or zip has one\n' +
    'folder per class, or a table of labels. A server that runs on the same DATA_DIR serves the new version at\n' +
    'once. Put a path that begins with a dash behind --, as in: menagerie finetune --name cats -- -photos',
  options: {
    name: text('<name>', 'name of the model'),
    backbone: text('<model>', 'model whose features are used (default: the default backbone)'),
    search: choice(
      ['none', 'quick', 'thorough'],
      'search for better settings; thorough: and the backbone (default: none)',
    ),
    'budget-minutes': text('<minutes>', 'time for a thorough search and the training after it (default: 10)'),
    prefer: choice(['accuracy', 'balanced', 'speed'], 'what a thorough search prefers (default: accuracy)'),
    depth: choice(
      ['head', 'last_stage'],
      'what is trained: the head, or the last stage of the backbone too (default: head)',
    ),
    promote: choice(['always', 'if_better', 'never'], 'when <name> points to the new version (default: always)'),
    encoding: text('<name>', 'of names and tables that are not UTF-8, such as shift_jis (default: detected)'),
    'dry-run': flag('train nothing: check the images and say how they would be used'),
    ...YES_OPTION,
    set: texts('<option>=<value>', 'any other option of POST /finetune, such as epochs=30 or hidden_units=[128]'),
  },
  run: ({ values, positionals: [data, ...rest] }, context) => {
    const { name, backbone, search, prefer, depth, promote, encoding, set, yes, 'dry-run': dryRun } = values;
    const budget = values['budget-minutes'];
    expectEnd(rest);
    const path = required('the folder or zip', data);
    const given = {
      name: dryRun ? (name ?? 'dry-run') : required('--name', name),
      ...defined({ backbone, search, prefer, depth, promote, encoding }),
      ...(budget !== undefined && { budgetMinutes: parseMinutes(budget) }),
      ...Object.fromEntries(set.map(parseSetting)),
    } as FinetuneOptions;
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, given.backbone, { yes, asBackbone: true }, context);
      const { terminal, signal } = context;
      const [{ parseTrainingReport }, { REPORT_PAGE }, { printFindings, printReport, printWarnings }] =
        await Promise.all([
          import('../finetuning/report/report-schema.ts'),
          import('../finetuning/report/files.ts'),
          import('./print-report.ts'),
        ]);
      const progress = trainingProgress();
      if (dryRun) {
        const found = await zoo.inspect(path, { ...given, onProgress: progress.update, signal }).finally(progress.end);
        printFindings(terminal, found);
        terminal.document(found);
        return undefined;
      }
      const job = await zoo.finetune(path, { ...given, onProgress: progress.update, signal });
      const result = await job.result.finally(progress.end);
      const { model, version, promoted } = result;
      const report = parseTrainingReport(await zoo.report(`${model}@${version}`));
      const page = await zoo.services.store.localFile(model, version, REPORT_PAGE);
      printWarnings(terminal, report.dataset.preflight);
      printReport(terminal, report);
      if (!promoted) terminal.line(`\n${model} still means the version before`);
      const reference = promoted ? model : `${model}@${version}`;
      terminal.line(`\nReport: ${page}\nTry it: npx menagerie classify photo.jpg --model ${reference}`);
      terminal.document({ ...result, report: page });
      return undefined;
    });
  },
});

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function parseMinutes(given: string): number {
  const minutes = Number(given);
  if (given.trim() !== '' && minutes >= 0.1 && minutes <= 1440) return minutes;
  throw new UsageError(`--budget-minutes: "${given}" is not a number from 0.1 to 1440`);
}

/** Parses `option=value`. Numbers, booleans, lists and objects are JSON; anything else is text. */
function parseSetting(pair: string): [option: string, value: unknown] {
  const [, option, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
  if (option === undefined || value === undefined) throw new UsageError(`--set: "${pair}" is not <option>=<value>`);
  try {
    return [option, JSON.parse(value)];
  } catch {
    return [option, value];
  }
}

/** What the progress bar counts in each phase; phases without a count are not drawn. */
const UNITS: Readonly<Partial<Record<FinetuneProgress['phase'], string>>> = {
  inspecting: 'images inspected',
  corrupting: 'images corrupted',
  augmenting: 'images augmented',
  searching: 'candidates tried',
  training: 'epochs',
  training_last_stage: 'epochs of the last stage',
};

/** Returns a function that draws the progress of a training, and one that clears it. */
export function trainingProgress() {
  let bar: ProgressBar | undefined;
  let current = '';
  const end = (): void => bar?.end();
  const update = ({ phase, done, total, validationAccuracy, ...search }: FinetuneProgress): void => {
    const unit = UNITS[phase];
    if (phase !== current) {
      end();
      bar = unit === undefined ? undefined : new ProgressBar(unit);
      current = phase;
    }
    if (done === undefined || total === undefined) return;
    const note =
      validationAccuracy === undefined ? '' : `validation accuracy ${(100 * validationAccuracy).toFixed(1)} %`;
    const { rung, rungs, bestAccuracy } = search;
    const best =
      bestAccuracy === undefined ? '' : `, rung ${rung} of ${rungs}, best ${(100 * bestAccuracy).toFixed(1)} %`;
    bar?.update(done, total, note + best);
  };
  return { update, end };
}
