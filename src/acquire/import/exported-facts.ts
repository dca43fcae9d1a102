import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { manifestSchema } from '../../registry/manifest.ts';
import type { GivenFacts } from './importers.ts';

const { architecture, input_size, mean, std, crop_pct, interpolation } = manifestSchema.shape;
/** What lies beside the weights in an export of this project, and beside its models in every format. */
const architectureFile = z.object({ architecture, input_size, mean, std });
const cardFile = z.object({ preprocessing: z.object({ crop_pct, interpolation }) });

/**
 * What an export of this project says of the model in its folder: how pictures are cut, and, where it holds weights
 * alone, their architecture and scaling. Nothing where there is no such file.
 */
export async function exportedFacts(folder: string): Promise<GivenFacts> {
  const [network, card] = [
    await readAs(architectureFile, join(folder, 'architecture.json')),
    await readAs(cardFile, join(folder, 'card.json')),
  ];
  return { ...network, ...card?.preprocessing };
}

/** Undefined where there is none, and where it is something else of the same name. */
async function readAs<T extends z.ZodType>(schema: T, path: string): Promise<z.output<T> | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}
