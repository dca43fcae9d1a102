import { extname } from 'node:path';
import { defineCommand } from './command.ts';
import { expectEnd, required, text } from './options.ts';
import { writeOutput } from './output-file.ts';
import { UsageError } from './usage-error.ts';
import { withZoo } from './with-zoo.ts';

/** Shows the report of a fine-tuned model. */
export const report = defineCommand({
  usage: '<model>',
  details: 'Prints what the results mean and where the whole report is. --json prints the report itself.',
  options: { out: text('<file.html or file.json>', 'write the report there') },
  run: ({ values: { out }, positionals: [model, ...rest] }, context) => {
    expectEnd(rest);
    const reference = required('the model', model);
    const ending = out === undefined ? '.json' : extname(out);
    if (ending !== '.json' && ending !== '.html')
      throw new UsageError('--out: give a file that ends in .html or .json');
    return withZoo(context, async (zoo) => {
      const { terminal, signal } = context;
      const [{ parseTrainingReport }, { REPORT_PAGE }] = await Promise.all([
        import('../finetuning/report/report-schema.ts'),
        import('../finetuning/report/files.ts'),
      ]);
      const text = await zoo.report(reference, 'json');
      const parsed = parseTrainingReport(text);
      const { name, version } = parsed.model;
      if (out !== undefined) {
        await writeOutput(out, ending === '.json' ? text : await zoo.report(reference, 'html'), signal);
      }
      const page = out ?? (await zoo.services.store.localFile(name, version, REPORT_PAGE));
      const { printReport } = await import('./print-report.ts');
      printReport(terminal, parsed);
      terminal.line(`\nReport: ${page}`);
      terminal.document(parsed);
      return undefined;
    });
  },
});
