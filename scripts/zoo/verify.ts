import { digestFile } from '../../src/common/file-digest.ts';
import type { Command } from './command.ts';
import { chosenModels, openZoo } from './open-zoo.ts';

/** Reads weights and compares them with what they should be. */
export const verifyModels: Command = {
  usage: 'verify [<model> ...]',
  summary: 'reads the weights that are here and compares their digests with the manifests',
  run: async (args) => {
    const zoo = await openZoo();
    let wrong = args.length === 0 ? zoo.listing.problems.length : 0;
    for (const { name, version, manifest, weightsPath } of chosenModels(zoo, args)) {
      const { sha256 } = manifest.file.weights;
      const found = await digestFile(weightsPath);
      if (found.sha256 !== sha256) wrong += 1;
      const reference = version === 1 ? name : `${name}@${version}`;
      console.log(
        found.sha256 === sha256 ? `ok     ${reference}` : `wrong  ${reference}: SHA-256 ${found.sha256}, not ${sha256}`,
      );
    }
    if (args.length === 0)
      for (const { where, reason } of zoo.listing.problems) console.log(`wrong  ${where}: ${reason}`);
    if (wrong > 0) throw new Error(`${wrong} of them cannot be used: npm run zoo -- pull gets them again`);
  },
};
