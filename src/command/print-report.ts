import type { PreflightReport } from '../finetuning/dataset/preflight-report.ts';
import type { TrainingReport } from '../finetuning/report/report-schema.ts';
import type { Terminal } from './terminal.ts';

const MARKS = { good: '+', caution: '!', bad: '-' } as const;

/** Prints what a report finds, the classes, and what to do next. */
export function printReport(terminal: Terminal, { model, verdict, test, next_steps: nextSteps }: TrainingReport): void {
  terminal.line(`${model.name}, version ${model.version}\n`);
  for (const { level, text } of verdict) terminal.line(`${MARKS[level]} ${text}`);
  if (test !== null) {
    terminal.line(`\n${'class'.padEnd(24)} precision   recall       F1  images`);
    for (const row of test.per_class) {
      const shares = [row.precision, row.recall, row.f1].map((share) => share.toFixed(2).padStart(9)).join('');
      terminal.line(`${row.class.slice(0, 24).padEnd(24)} ${shares}${String(row.support).padStart(8)}`);
    }
  }
  if (nextSteps.length > 0) terminal.line(`\nWhat to do next:\n${nextSteps.map((step) => `- ${step}`).join('\n')}`);
}

/** What a data set would be used for. */
export function printFindings(terminal: Terminal, report: PreflightReport): void {
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

/** Prints what may be wrong with a data set. */
export function printWarnings(terminal: Terminal, { warnings }: Pick<PreflightReport, 'warnings'>): void {
  for (const { message } of warnings) terminal.line(`! ${message}`);
}
