import { join } from 'node:path';
import { defineCommand } from './command.ts';
import { flag, text } from './options.ts';
import { megabytes, PullDisplay } from './pull-display.ts';
import { UsageError } from './usage-error.ts';

/** Downloads the weights of models. */
export const pull = defineCommand({
  usage: '<model> ...',
  options: {
    mirror: text('<folder or URL>', 'folder or server to take the files from'),
    'backbone-only': flag('only the tensors that a fine-tune needs'),
  },
  run: async ({ values, positionals }, { terminal, config: readConfig, signal }) => {
    if (positionals.length === 0) throw new UsageError('the model is missing; menagerie list shows all models');
    const { zooDir, dataDir, downloads } = await readConfig();
    const { ModelPuller } = await import('../acquire/pull/model-puller.ts');
    const puller = new ModelPuller({ seedDir: zooDir, pulledDir: join(dataDir, 'zoo'), settings: downloads });
    const pulled: object[] = [];
    for (const typed of positionals) {
      const start = performance.now();
      const show = new PullDisplay(typed);
      try {
        const { model, fetched } = await puller.pull(typed, {
          mirror: values.mirror,
          backboneOnly: values['backbone-only'],
          onProgress: (progress) => show.update(progress),
          signal,
        });
        show.end();
        const { name } = model;
        const seconds = (performance.now() - start) / 1000;
        const { size_bytes: bytes } = model.manifest.file.weights;
        const size = megabytes(bytes).toFixed(1);
        terminal.line(
          fetched ? `${name}: pulled ${size} MB in ${seconds.toFixed(1)} s` : `${name}: already here, verified`,
        );
        pulled.push({ model: name, fetched, bytes });
      } finally {
        show.end();
      }
    }
    terminal.document({ pulled });
    return undefined;
  },
});
