import { parseArguments } from '../command-line.ts';
import type { Command } from './command.ts';
import { chosenModels, openZoo } from './open-zoo.ts';

/** Converts models before the first request. */
export const convertModels: Command = {
  usage: 'convert [<model> ...]',
  summary: 'Converts models to ONNX and TF.js before the first request; all models if none is named.',
  run: async (args) => {
    const { positionals } = parseArguments(args, {});
    const zoo = await openZoo();
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    for (const model of chosenModels(zoo, positionals)) {
      const start = performance.now();
      const { onnx, tfjs } = await zoo.conversions.get(model);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const browser = tfjs === undefined ? '' : `, TF.js ${megabytes(tfjs.size)}`;
      console.log(`${model.name}: ONNX ${megabytes(onnx.size)}${browser}, in ${seconds} s`);
    }
  },
};
