/**
 * Generates full-size models without a download: npm run generate-weights -- resnet50 mobilenet_v2
 *
 * Writes models `<architecture>.generated` under `DATA_DIR`, whose weights follow from their names alone
 * (scripts/generated-tensors.ts). Their predictions mean nothing, but they cost as much as the real models: for
 * `npm run bench`, for measuring memory, for trying a mirror.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../src/common/errors.ts';
import { readConfig } from '../src/config.ts';
import { float32Tensor, writeSafetensors } from '../src/convert/formats/safetensors/writer.ts';
import { factsOf } from '../src/convert/import/import-checkpoint.ts';
import { buildNetwork, parseArchitecture } from '../src/convert/network.ts';
import { type ManifestDocument, parseManifestDocument } from '../src/registry/manifest.ts';
import { readCommandLine, UsageError } from './command-line.ts';
import { GeneratedTensors, tensorShapes } from './generated-tensors.ts';

/** Names of tensors are seeds with this prefix, as in the reference outputs of the tests. */
const PREFIX = 'golden/v1/';
/** Model whose preprocessing and classes are used when the zoo has no model of the architecture. */
const USUAL_MODEL = 'resnet50.tv_in1k';

const USAGE = `usage: npm run generate-weights -- <architecture> ...

Writes models <architecture>.generated with made-up weights, for benchmarks. Their predictions
mean nothing, but they take as much time and memory as the real models.`;

const architectures = readCommandLine(USAGE, {}, ({ positionals }) => {
  if (positionals.length === 0) throw new UsageError('the architecture is missing');
  return positionals.map((name) => {
    try {
      return { name, architecture: parseArchitecture(name) };
    } catch (thrown) {
      throw new UsageError(messageOf(thrown));
    }
  });
});
const { dataDir, zooDir } = readConfig(process.env);

/** The manifest of a model of the zoo that has this architecture, or else that of the usual model. */
async function manifestOf(architecture: string): Promise<ManifestDocument> {
  const entries = await readdir(zooDir);
  const name = entries.find((entry) => entry.startsWith(`${architecture}.`)) ?? USUAL_MODEL;
  return parseManifestDocument(await readFile(join(zooDir, name, 'manifest.json'), 'utf8'));
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

for (const { name, architecture } of architectures) {
  const { needs: _, license_notice: __, ...manifest } = await manifestOf(name);
  const [, height, width] = manifest.input_size;
  const { mean, std, num_classes: numClasses } = manifest;
  const options = { inputSize: [height, width], mean, std, numClasses } as const;
  const shapes = tensorShapes(architecture, options);
  const tensors = new GeneratedTensors(PREFIX, shapes);
  const folder = join(dataDir, 'zoo', `${name}.generated`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'weights.safetensors');
  await writeSafetensors(
    path,
    Object.entries(shapes).map(([tensor, shape]) => ({
      name: tensor,
      dtype: 'F32',
      shape,
      read: async () => float32Tensor(tensor, shape, await tensors.read(tensor)).read(),
    })),
  );
  const { featureSize, parameters } = factsOf(buildNetwork(architecture, tensors, options));
  const generated: ManifestDocument = {
    ...manifest,
    name: `${name}.generated`,
    title: `${name}, generated weights`,
    architecture: name,
    weights: {
      file: 'weights.safetensors',
      format: 'safetensors',
      sha256: await sha256Of(path),
      size_bytes: (await stat(path)).size,
    },
    num_features: featureSize,
    parameters,
    accuracy: [],
    license: 'Apache-2.0',
  };
  await writeFile(join(folder, 'manifest.json'), `${JSON.stringify(generated, null, 2)}\n`);
  console.log(`${generated.name}: ${(generated.weights.size_bytes / 1e6).toFixed(0)} MB in ${folder}`);
}
