import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PreflightReport } from '../finetuning/dataset/preflight-report.ts';
import type { PublishedVersion } from '../finetuning/model-trainer.ts';
import type { TrainingReport } from '../finetuning/report/report-schema.ts';
import type { TrainingProgress } from '../finetuning/training-progress.ts';
import { defineCommand } from './command.ts';
import { choice, expectEnd, flag, required, text, texts } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { withServices } from './with-services.ts';

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
    search: choice(['none', 'quick', 'thorough'], 'search for better hyperparameters (default: none)'),
    promote: choice(['always', 'if_better', 'never'], 'when <name> points to the new version (default: always)'),
    encoding: text('<name>', 'of names and tables that are not UTF-8, such as shift_jis (default: detected)'),
    'dry-run': flag('train nothing: check the images and say how they would be used'),
    set: texts('<option>=<value>', 'any other option of POST /finetune, such as epochs=30 or hidden_units=[128]'),
  },
  run: ({ values, positionals: [data, ...rest] }, context) => {
    const { name, backbone, search, promote, encoding, set, 'dry-run': dryRun } = values;
    expectEnd(rest);
    const path = required('the folder or zip', data);
    const given = {
      name: dryRun ? (name ?? 'dry-run') : required('--name', name),
      ...defined({ backbone, search, promote, encoding }),
      ...Object.fromEntries(set.map(parseSetting)),
    };
    return withServices(context, async (services, config, logger) => {
      const { terminal, signal } = context;
      const [{ parseFinetuneOptions }, { parseTrainingReport }, { REPORT_FILE, REPORT_PAGE }, { createModelTrainer }] =
        await Promise.all([
          import('../finetuning/finetune-options.ts'),
          import('../finetuning/report/report-schema.ts'),
          import('../finetuning/version-files.ts'),
          import('../services.ts'),
        ]);
      const workDir = await mkdtemp(join(tmpdir(), 'menagerie-finetune-'));
      const progress = progressDisplay();
      try {
        const options = parseFinetuneOptions(given);
        const trainer = createModelTrainer(services, config, logger, workDir);
        if (dryRun) {
          const found = await trainer.inspect(options, path, { onProgress: progress.update, signal });
          progress.end();
          printFindings(terminal, found);
          terminal.document(found);
          return undefined;
        }
        const published = await trainer.train(options, path, randomUUID(), { onProgress: progress.update, signal });
        progress.end();
        const { model, version, promoted, summary } = published;
        const report = await readFile(await services.store.localFile(model, version, REPORT_FILE), 'utf8');
        const page = await services.store.localFile(model, version, REPORT_PAGE);
        const parsed = parseTrainingReport(report);
        printWarnings(terminal, parsed.dataset.preflight);
        printSummary(terminal, parsed, published, page);
        terminal.document({ model, version, promoted, summary, report: page });
      } finally {
        progress.end();
        await rm(workDir, { recursive: true, force: true });
      }
      return undefined;
    });
  },
});

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
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

const MARKS = { good: '+', caution: '!', bad: '-' } as const;

/** What a data set would be used for. */
function printFindings(terminal: Terminal, report: PreflightReport): void {
  terminal.line(`${report.will_train}\n`);
  terminal.line(`${'class'.padEnd(24)}    train  validation     test`);
  for (const { name, train, validation, test } of report.classes) {
    const counts = [String(train).padStart(9), String(validation).padStart(12), String(test).padStart(9)];
    terminal.line(`${name.slice(0, 24).padEnd(24)}${counts.join('')}`);
  }
  for (const { reason, count, examples } of report.ignored.reasons) {
    terminal.line(`\nnot used, ${reason}: ${count}, for example ${examples.slice(0, 3).join(', ')}`);
  }
  terminal.line();
  printWarnings(terminal, report);
}

function printWarnings(terminal: Terminal, { warnings }: Pick<PreflightReport, 'warnings'>): void {
  for (const { message } of warnings) terminal.line(`! ${message}`);
}

function printSummary(
  terminal: Terminal,
  report: TrainingReport,
  { model, version, promoted }: PublishedVersion,
  page: string,
): void {
  terminal.line(`${model}, version ${version}${promoted ? '' : `; ${model} still points to the version before`}\n`);
  for (const { level, text } of report.verdict) terminal.line(`${MARKS[level]} ${text}`);
  if (report.test !== null) {
    terminal.line(`\n${'class'.padEnd(24)} precision   recall       F1  images`);
    for (const row of report.test.per_class) {
      const shares = [row.precision, row.recall, row.f1].map((share) => share.toFixed(2).padStart(9)).join('');
      terminal.line(`${row.class.slice(0, 24).padEnd(24)} ${shares}${String(row.support).padStart(8)}`);
    }
  }
  if (report.next_steps.length > 0) {
    terminal.line(`\nWhat to do next:\n${report.next_steps.map((step) => `- ${step}`).join('\n')}`);
  }
  const reference = promoted ? model : `${model}@${version}`;
  terminal.line(`\nReport: ${page}\nTry it: npx menagerie classify photo.jpg --model ${reference}`);
}

/** What the progress bar counts in each phase; phases without a count are not drawn. */
const UNITS: Readonly<Partial<Record<TrainingProgress['phase'], string>>> = {
  inspecting: 'images inspected',
  augmenting: 'images augmented',
  searching: 'candidates tried',
  training: 'epochs',
};

/** Returns a function that draws the progress of a training, and one that clears it. */
function progressDisplay() {
  let bar: ProgressBar | undefined;
  let current = '';
  const end = (): void => bar?.end();
  const update = ({ phase, done, total, val_accuracy }: TrainingProgress): void => {
    const unit = UNITS[phase];
    if (phase !== current) {
      end();
      bar = unit === undefined ? undefined : new ProgressBar(unit);
      current = phase;
    }
    if (done === undefined || total === undefined) return;
    const note = val_accuracy === undefined ? '' : `validation accuracy ${(100 * val_accuracy).toFixed(1)} %`;
    bar?.update(done, total, note);
  };
  return { update, end };
}
