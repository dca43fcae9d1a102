/**
 * Full-size models without a download: npm run generate-weights -- resnet50 vgg16 [--golden ../shared/golden]
 *
 * Weights that their names alone decide (scripts/generated-tensors.ts), in the shapes that a golden file lists, as models
 * `<architecture>.generated` under `DATA_DIR`. They know nothing, but cost what the real ones cost: for `npm run bench`,
 * for measuring memory, for trying a mirror.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { readConfig } from '../src/config.ts';
import { float32Tensor, writeSafetensors } from '../src/convert/formats/safetensors/writer.ts';
import { type ManifestDocument, parseManifestDocument } from '../src/registry/manifest.ts';
import { GeneratedTensors } from './generated-tensors.ts';

const goldenSchema = z.object({ prefix: z.string(), tensors: z.record(z.string(), z.array(z.number())) });

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { golden: { type: 'string', default: '../shared/golden' } },
});
if (positionals.length === 0) {
  console.error('usage: npm run generate-weights -- <architecture> ... [--golden ../shared/golden]');
  process.exit(2);
}
const { dataDir, zooDir } = readConfig(process.env);

/** The manifest of a model of the zoo that has this architecture. */
async function manifestOf(architecture: string): Promise<ManifestDocument> {
  for (const entry of await readdir(zooDir)) {
    if (!entry.startsWith(`${architecture}.`)) continue;
    return parseManifestDocument(await readFile(join(zooDir, entry, 'manifest.json'), 'utf8'));
  }
  throw new Error(`no model of the zoo has the architecture ${architecture}`);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

for (const architecture of positionals) {
  const golden = goldenSchema.parse(JSON.parse(await readFile(join(values.golden, `${architecture}.json`), 'utf8')));
  const tensors = new GeneratedTensors(golden.prefix, golden.tensors);
  const manifest = await manifestOf(architecture);
  const folder = join(dataDir, 'zoo', `${architecture}.generated`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'weights.safetensors');
  await writeSafetensors(
    path,
    Object.entries(golden.tensors).map(([name, shape]) => ({
      name,
      dtype: 'F32',
      shape,
      read: async () => float32Tensor(name, shape, await tensors.read(name)).read(),
    })),
  );
  const generated: ManifestDocument = {
    ...manifest,
    name: `${architecture}.generated`,
    title: `${manifest.title}, generated weights`,
    weights: {
      file: 'weights.safetensors',
      format: 'safetensors',
      sha256: await sha256Of(path),
      size_bytes: (await stat(path)).size,
    },
    accuracy: [],
    license: 'Apache-2.0',
  };
  await writeFile(join(folder, 'manifest.json'), `${JSON.stringify(generated, null, 2)}\n`);
  console.log(`${generated.name}: ${(generated.weights.size_bytes / 1e6).toFixed(0)} MB in ${folder}`);
}
