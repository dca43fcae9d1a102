/**
 * Teaches a model new classes: npm run finetune -- <folder or zip> --name flowers [--backbone ...] [--search quick] [--set key=value ...]
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { readConfig } from '../src/config.ts';
import { messageOf } from '../src/errors.ts';
import { createLogger } from '../src/logger.ts';
import { parseFinetuneOptions } from '../src/pipelines/finetune-options.ts';
import { createFinetuning, createServices } from '../src/server.ts';
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

const config = readConfig(process.env);
const logger = createLogger('error');
const services = await createServices(config, logger);
try {
  const finetuning = await createFinetuning(services, config, logger);
  const { set, ...named } = values;
  const extra = set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]);
  const options = parseFinetuneOptions({
    ...named,
    ...Object.fromEntries(extra.map(([key, value]) => [key, JSON.parse(value)])),
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
  const { signal } = new AbortController();
  const published = await finetuning.run(options, path, randomUUID(), { onProgress, signal });
  bar.end();
  console.log(JSON.stringify(published, null, 2));
  await finetuning.close();
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await services.close();
}
