import { once } from 'node:events';
import { join } from 'node:path';
import { messageOf } from '../common/errors.ts';
import { createLogger, type Logger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { offerPull, YES_OPTION } from './offer-pull.ts';
import { expectEnd, required, text } from './options.ts';
import { stop } from './stop.ts';

/** Starts the server and stops it with the first signal. */
export const serve = defineCommand({
  usage: '',
  details:
    'The server logs JSON lines on standard output. On SIGTERM or Ctrl-C it finishes what is in flight and exits\n' +
    'with 0; a second signal ends it at once.',
  appendix: async () => (await import('./settings-help.ts')).settingsHelp(),
  options: {
    model: text('<model>', 'default model, instead of DEFAULT_MODEL; pulled first when it is not here'),
    from: text('<file or folder>', 'imports the default model from here under the name of --model, unless it is here'),
    ...YES_OPTION,
  },
  json: false,
  run: async ({ values: { model, from, yes }, positionals }, context) => {
    const { config: readConfig, environment, signal } = context;
    expectEnd(positionals);
    const settings = await readConfig();
    const config = model === undefined ? settings : { ...settings, defaultModel: model };
    const logger = createLogger(config.logLevel);
    if (from !== undefined) await importDefaultModel(from, required('--model', model), config, logger);
    else if (model !== undefined || yes) await pullDefaultModel(config, yes, context);
    // A signal while the modules load, which takes a second, stops what is there by then.
    const stopped = signal.aborted ? Promise.resolve() : once(signal, 'abort');
    try {
      const { startEngines } = await import('../serving/start-engines.ts');
      const engines = startEngines(config, logger);
      const { createServer } = await import('../server.ts');
      const { putEventLoopFirst } = await import('../serving/niceness.ts');
      const server = await createServer(config, logger, engines);
      const closed = stopped.then(() =>
        stop(server, logger, 'stopping: no new requests are accepted, those in flight are finished'),
      );
      putEventLoopFirst();
      await server.listen();
      // It compares all names with all others: the engines have started by now.
      const { warnOfUnknownSettings } = await import('./load-config.ts');
      warnOfUnknownSettings(environment, logger);
      await Promise.race([server.work(), closed]);
      return await closed;
    } catch (thrown) {
      throw new Error(`menagerie cannot start: ${messageOf(thrown)}`, { cause: thrown });
    }
  },
});

/** Offers to pull the default model. @throws AppError `model_not_found`; as `offerPull` */
async function pullDefaultModel(config: Config, yes: boolean, context: CommandContext): Promise<void> {
  const { defaultModel, zooDir, dataDir, downloads, autoPull } = config;
  const [{ readInstalledModels, registryOf }, { ModelPuller }] = await Promise.all([
    import('./installed-models.ts'),
    import('../acquire/pull/model-puller.ts'),
  ]);
  const registry = registryOf((await readInstalledModels(config)).listing);
  const puller = new ModelPuller({ seedDir: zooDir, pulledDir: join(dataDir, 'zoo'), settings: downloads });
  const offer = { registry, pull: puller.pull.bind(puller), yes: yes || autoPull };
  if (registry.findAbsent(defaultModel) === undefined) registry.resolveClassifier(defaultModel);
  else await offerPull(defaultModel, offer, context);
}

/** Imports a model as `menagerie import` does, without a question. @throws Error as `importOnce` */
async function importDefaultModel(path: string, name: string, config: Config, logger: Logger): Promise<void> {
  const [{ importOnce }, { readInstalledModels }, { readNamedLabels }] = await Promise.all([
    import('../acquire/import/import-once.ts'),
    import('./installed-models.ts'),
    import('../registry/zoo.ts'),
  ]);
  const { pulledDir, listing } = await readInstalledModels(config);
  const target = { pulledDir, listing, namedLabels: await readNamedLabels(config.zooDir) };
  const imported = await importOnce({ path, name, given: {} }, target);
  if (imported === undefined) return;
  const { notes, warnings } = imported;
  logger.info({ model: name, path, notes }, 'imported');
  for (const warning of warnings) logger.warn({ model: name }, warning);
}
