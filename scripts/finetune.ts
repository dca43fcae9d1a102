/** Trains a model on images of one's own classes, without a server. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseFinetuneOptions } from '../src/finetuning/finetune-options.ts';
import type { PublishedVersion } from '../src/finetuning/model-trainer.ts';
import { parseTrainingReport, type TrainingReport } from '../src/finetuning/report/report-schema.ts';
import type { TrainingProgress } from '../src/finetuning/training-progress.ts';
import { REPORT_FILE, REPORT_PAGE } from '../src/finetuning/version-files.ts';
import { createModelTrainer } from '../src/services.ts';
import { expectEnd, readCommandLine, required, UsageError } from './command-line.ts';
import { ProgressBar } from './progress-bar.ts';
import { withServices } from './with-services.ts';

const USAGE = `usage: npm run finetune -- <folder or zip> --name <name> [options]

Trains a model on your own classes and publishes it as a new version of <name>. The folder or
zip has one folder per class.

  --backbone <model>                    model whose features are used
                                        (default: the default backbone)
  --search none|quick|thorough          search for better hyperparameters (default: none)
  --promote always|if_better|never      when <name> points to the new version (default: always)
  --set <option>=<value>                any other option of POST /finetune, such as epochs=30
                                        or hidden_units=[128]; may be repeated`;

const { path, given } = readCommandLine(
  USAGE,
  {
    name: { type: 'string' },
    backbone: { type: 'string' },
    search: { type: 'string' },
    promote: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
  },
  ({ values: { set, ...named }, positionals: [data, ...rest] }) => {
    expectEnd(rest);
    return {
      path: required('the folder or zip', data),
      given: { ...named, name: required('--name', named.name), ...Object.fromEntries(set.map(parseSetting)) },
    };
  },
);

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

function printSummary(report: TrainingReport, { model, version, promoted }: PublishedVersion, page: string): void {
  console.log(`${model}, version ${version}${promoted ? '' : `; ${model} still points to the version before`}\n`);
  for (const { level, text } of report.verdict) console.log(`${MARKS[level]} ${text}`);
  if (report.test !== null) {
    console.log(`\n${'class'.padEnd(24)} precision   recall       F1  images`);
    for (const row of report.test.per_class) {
      const shares = [row.precision, row.recall, row.f1].map((share) => share.toFixed(2).padStart(9)).join('');
      console.log(`${row.class.slice(0, 24).padEnd(24)} ${shares}${String(row.support).padStart(8)}`);
    }
  }
  if (report.next_steps.length > 0) {
    console.log(`\nWhat to do next:\n${report.next_steps.map((step) => `- ${step}`).join('\n')}`);
  }
  const reference = promoted ? model : `${model}@${version}`;
  console.log(`\nReport: ${page}\nTry it: npm run classify -- photo.jpg --model ${reference}`);
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

await withServices(async ({ services, config, logger }) => {
  const workDir = await mkdtemp(join(tmpdir(), 'menagerie-finetune-'));
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort(new Error('the training was cancelled')));
  const progress = progressDisplay();
  try {
    const options = parseFinetuneOptions(given);
    const published = await createModelTrainer(services, config, logger, workDir).train(options, path, randomUUID(), {
      onProgress: progress.update,
      signal: interrupted.signal,
    });
    progress.end();
    const { model, version } = published;
    const report = await readFile(await services.store.localFile(model, version, REPORT_FILE), 'utf8');
    printSummary(parseTrainingReport(report), published, await services.store.localFile(model, version, REPORT_PAGE));
  } finally {
    progress.end();
    await rm(workDir, { recursive: true, force: true });
  }
});
