import { defineCommand } from './command.ts';

/** Converts models before the first request. */
export const convert = defineCommand({
  usage: '[<model> ...]',
  details: 'Converts all models if none is named.',
  options: {},
  run: async ({ positionals }, { terminal, config, signal }) => {
    const { chosenModels, withInstalledModels } = await import('./installed-models.ts');
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    const done: object[] = [];
    await withInstalledModels(await config(), async (installed) => {
      for (const model of chosenModels(installed, positionals)) {
        signal.throwIfAborted();
        const start = performance.now();
        const { onnx, tfjs } = await installed.conversions.get(model);
        const seconds = (performance.now() - start) / 1000;
        const browser = tfjs === undefined ? '' : `, TF.js ${megabytes(tfjs.size)}`;
        terminal.line(`${model.name}: ONNX ${megabytes(onnx.size)}${browser}, in ${seconds.toFixed(1)} s`);
        done.push({ model: model.name, onnx_bytes: onnx.size, tfjs_bytes: tfjs?.size ?? null, seconds });
      }
    });
    terminal.document({ converted: done });
    return undefined;
  },
});
