/**
 * Teaches a model new classes: npm run finetune -- <folder or zip> --name flowers [--backbone ...] [--search quick] [--set key=value ...]
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/common/errors.ts';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { REPORT_FILE, REPORT_PAGE } from '../src/finetuning/fine-tuned-version.ts';
import { parseFinetuneOptions } from '../src/finetuning/finetune-options.ts';
import type { PublishedVersion } from '../src/finetuning/finetuner.ts';
import { parseTrainingReport, type TrainingReport } from '../src/finetuning/report/report-schema.ts';
import { createFinetuner, createServices } from '../src/services.ts';
import { ProgressBar } from './progress-bar.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string' },
    backbone: { type: 'string' },
    search: { type: 'string' },
    promote: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const [path] = positionals;
if (path === undefined || values.name === undefined) {
  console.error(
    'usage: npm run finetune -- <folder or zip, a folder per class> --name <name> [--backbone <model>]\n' +
      '         [--search quick|thorough] [--promote always|if_better|never] [--set epochs=30] [--set hidden_units=[128]]',
  );
  process.exit(2);
}

/** Numbers, booleans and lists are written as JSON; anything else is text. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const MARKS = { good: '+', caution: '!', bad: '-' } as const;

/** What one wants to know before trying the model: how good it is, in words, by class, and what to do next. */
function printSummary(report: TrainingReport, { model, version, promoted }: PublishedVersion, page: string): void {
  console.log(`${model}, version ${version}: ${promoted ? 'it serves now' : 'the version in service stays'}\n`);
  for (const { level, text } of report.verdict) console.log(`${MARKS[level]} ${text}`);
  if (report.test !== null) {
    console.log(`\n${'class'.padEnd(24)} precision   recall       F1  images`);
    for (const row of report.test.per_class) {
      const shares = [row.precision, row.recall, row.f1].map((share) => share.toFixed(2).padStart(9)).join('');
      console.log(`${row.class.slice(0, 24).padEnd(24)} ${shares}${String(row.support).padStart(8)}`);
    }
  }
  if (report.next_steps.length > 0) console.log(`\nnext\n${report.next_steps.map((step) => `- ${step}`).join('\n')}`);
  console.log(`\nreport  ${page}\ntry it  npm run classify -- photo.jpg --model ${model}`);
}

const config = readConfig(process.env);
const logger = createLogger('error');
const services = await createServices(config, logger);
const workDir = await mkdtemp(join(tmpdir(), 'menagerie-finetune-'));
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('cancelled')));
try {
  const finetuner = createFinetuner(services, config, logger, workDir);
  const { set, ...named } = values;
  const extra = set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]);
  const options = parseFinetuneOptions({
    ...named,
    ...Object.fromEntries(extra.map(([key, value]) => [key, parseValue(value)])),
  });
  let bar = new ProgressBar('');
  let phase = '';
  const onProgress = (progress: { phase: string; done?: number; total?: number; val_accuracy?: number }) => {
    if (progress.phase !== phase) {
      bar.end();
      bar = new ProgressBar(progress.phase);
      phase = progress.phase;
    }
    const note = progress.val_accuracy === undefined ? '' : `accuracy ${(100 * progress.val_accuracy).toFixed(1)} %`;
    bar.update(progress.done ?? 0, progress.total ?? 1, note);
  };
  const published = await finetuner.train(options, path, randomUUID(), {
    onProgress,
    signal: interrupted.signal,
  });
  bar.end();
  const { model, version } = published;
  const report = await readFile(await services.store.localFile(model, version, REPORT_FILE), 'utf8');
  printSummary(parseTrainingReport(report), published, await services.store.localFile(model, version, REPORT_PAGE));
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await rm(workDir, { recursive: true, force: true });
  await services.close();
}
