import { digestFile } from '../../src/common/file-digest.ts';
import { parseArguments } from '../command-line.ts';
import type { Command } from './command.ts';
import { chosenModels, openZoo } from './open-zoo.ts';

/** Verifies weights. */
export const verifyModels: Command = {
  usage: 'verify [<model> ...]',
  summary: 'Compares the digests of the weights with the manifests; of all models if none is named.',
  run: async (args) => {
    const { positionals } = parseArguments(args, {});
    const zoo = await openZoo();
    let wrong = positionals.length === 0 ? zoo.listing.problems.length : 0;
    for (const { name, version, manifest, weightsPath } of chosenModels(zoo, positionals)) {
      const { sha256 } = manifest.file.weights;
      const found = await digestFile(weightsPath);
      if (found.sha256 !== sha256) wrong += 1;
      const reference = version === 1 ? name : `${name}@${version}`;
      console.log(
        found.sha256 === sha256
          ? `ok     ${reference}`
          : `wrong  ${reference}: SHA-256 is ${found.sha256}, should be ${sha256}`,
      );
    }
    if (positionals.length === 0)
      for (const { where, reason } of zoo.listing.problems) console.log(`wrong  ${where}: ${reason}`);
    if (wrong > 0)
      throw new Error(
        `${wrong} ${wrong === 1 ? 'model is' : 'models are'} damaged; npm run zoo -- pull <model> downloads ` +
          'the weights again',
      );
  },
};
