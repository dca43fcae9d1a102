import { defineCommand } from './command.ts';
import { trainingProgress } from './finetune.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { choice, expectEnd, required, text, wholeNumber } from './options.ts';
import { withZoo } from './with-zoo.ts';

/** Teaches a small model the answers of a large one, on pictures without labels. */
export const distill = defineCommand({
  usage: '<folder or zip> --teacher <model> --student <model>',
  details:
    'The student learns the classes and probabilities of the teacher on your pictures, which need no\n' +
    'labels, and is published as a new version of <name>. Give pictures like those that it will see,\n' +
    'hundreds if you can. The report says how often both name the same class, and compares their sizes\n' +
    'and speeds.',
  options: {
    teacher: text('<model>', 'model whose answers are learnt'),
    student: text('<model>', 'model that learns them; its last layer is replaced'),
    name: text('<name>', 'name of the new model (default: student-teacher, without their dots)'),
    depth: choice(['head', 'last_stage'], 'what is trained of the student (default: last_stage)'),
    temperature: wholeNumber('softens the probabilities of both, 1 to 20 (default: 2)', 1),
    epochs: wholeNumber('most epochs', 1),
    seed: wholeNumber('seed of all random draws (default: 0)', 0),
    promote: choice(['always', 'if_better', 'never'], 'when <name> points to the new version (default: always)'),
    ...YES_OPTION,
  },
  run: ({ values, positionals: [data, ...rest] }, context) => {
    const { teacher: t, student: s, yes, name, depth, temperature, epochs, seed, promote } = values;
    expectEnd(rest);
    const path = required('the folder or zip of pictures', data);
    const [teacher, student] = [required('--teacher', t), required('--student', s)];
    const given = Object.entries({ name, depth, temperature, epochs, seed, promote });
    const options = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, teacher, { yes }, context);
      await offerPullInZoo(zoo, student, { yes, asBackbone: true }, context);
      const { terminal, signal } = context;
      const [{ parseTrainingReport }, { REPORT_PAGE }, { printReport }] = await Promise.all([
        import('../finetuning/report/report-schema.ts'),
        import('../finetuning/report/files.ts'),
        import('./print-report.ts'),
      ]);
      const progress = trainingProgress();
      const job = await zoo.distill(path, { teacher, student, ...options, onProgress: progress.update, signal });
      const result = await job.result.finally(progress.end);
      const { model, version, promoted } = result;
      printReport(terminal, parseTrainingReport(await zoo.report(`${model}@${version}`)));
      const page = await zoo.services.store.localFile(model, version, REPORT_PAGE);
      const reference = promoted ? model : `${model}@${version}`;
      terminal.line(`\nReport: ${page}\nTry it: npx menagerie classify photo.jpg --model ${reference}`);
      terminal.document({ ...result, report: page });
      return undefined;
    });
  },
});
