import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';

/** The description of a thousand layers has a few megabytes. */
const MAX_TEXT_BYTES = 64_000_000;

/** Layers as `model.to_json()` writes them, and as `config.json` in a `.keras` file. Keras 3 names the module. */
const layersSchema = z
  .object({
    class_name: z.enum(['Sequential', 'Functional', 'Model']),
    config: z.unknown(),
    module: z.unknown().optional(),
    keras_version: z.string().optional(),
  })
  .transform(({ class_name, config, module, keras_version }) => ({
    keras_version: keras_version ?? (module === undefined ? '2' : '3.0'),
    model_config: { class_name, config },
  }));

/** Layers without weights in a JSON file, as `parseTopology` reads them; undefined for any other file. */
export async function layersIn(path: string): Promise<object | undefined> {
  if ((await stat(path)).size > MAX_TEXT_BYTES) return undefined;
  try {
    return layersSchema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/**
 * The layers that a JSON file of a folder describes, such as `model.json`, or `config.json` of an unpacked `.keras` file;
 * undefined when there is none.
 *
 * @throws ConversionError when several do
 */
export async function layersBeside(folder: string): Promise<object | undefined> {
  const names = (await readdir(folder)).filter((name) => /\.json$/i.test(name)).sort();
  const found = await Promise.all(names.map(async (name) => ({ name, layers: await layersIn(join(folder, name)) })));
  const described = found.filter(({ layers }) => layers !== undefined);
  if (described.length > 1) {
    const listed = described.map(({ name }) => name).join(' and ');
    throw new ConversionError(`the layers of these weights could be those of ${listed}: leave one file beside them`);
  }
  return described[0]?.layers;
}
