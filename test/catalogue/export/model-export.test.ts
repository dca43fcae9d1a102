import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer as collect } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareImport } from '../../../src/acquire/import/model-import.ts';
import type { ExportFormat } from '../../../src/catalogue/export/export-format.ts';
import { exportReadme } from '../../../src/catalogue/export/export-readme.ts';
import { exportModel } from '../../../src/catalogue/export/model-export.ts';
import { tritonConfig } from '../../../src/catalogue/export/triton-config.ts';
import { ModelCatalogue } from '../../../src/catalogue/model-catalogue.ts';
import { createLogger } from '../../../src/common/logger.ts';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { readOnnxFile } from '../../../src/convert/formats/onnx/reader.ts';
import { QuantizedModels } from '../../../src/quantizing/quantized-models.ts';
import { ConceptGraph } from '../../../src/registry/concept-graph.ts';
import { FileArtifactStore } from '../../../src/registry/file-artifact-store.ts';
import type { ModelVersion } from '../../../src/registry/registry.ts';
import { Registry } from '../../../src/registry/registry.ts';
import { readZoo } from '../../../src/registry/zoo.ts';
import { ConversionCache } from '../../../src/serving/conversion-cache.ts';
import { smallClassifier, writeForeign } from '../../convert/foreign-onnx/foreign-model.ts';
import { maxDifference, runOnnx, runTfjs } from '../../convert/runtimes.ts';
import { EMBEDDED } from '../../golden/pictures.ts';
import { readZip } from '../../zip-reader.ts';

const producerVersion = '1.2.3';
let folder: string;
let models: readonly ModelVersion[];
let conversions: ConversionCache;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-export-'));
  conversions = new ConversionCache(join(folder, 'converted'), createLogger('silent'));
  ({ models } = await readZoo('zoo'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function exported(name: string, format: ExportFormat) {
  const model = models.find((each) => each.name === name);
  if (model === undefined) throw new Error(`the zoo has no ${name}`);
  const source = { model, converted: await conversions.get(model), producerVersion };
  return { model, ...(await exportModel(source, format, { id: name })) };
}

/** Downloads and unpacks. */
async function unpacked(name: string, format: ExportFormat) {
  const { zip, filename, model } = await exported(name, format);
  const files = await readZip(await collect(zip));
  const into = await mkdtemp(join(folder, `${format}-`));
  for (const [file, bytes] of files) await writeFile(join(into, file), bytes);
  return { files, filename, into, model };
}

describe.each(EMBEDDED)('%s', (name) => {
  it('the exported files run in both runtimes, with the same probabilities', async () => {
    const [onnx, tfjs] = [await unpacked(name, 'onnx'), await unpacked(name, 'tfjs')];
    const [height, width] = onnx.model.manifest.preprocessing.inputSize;
    const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * 37) % 256);
    const pixels = { data, shape: [1, height, width, 3] };
    const byOnnx = await runOnnx(join(onnx.into, 'model.onnx'), pixels);
    const byTfjs = await runTfjs(join(tfjs.into, 'model.json'), pixels);
    expect(maxDifference(byOnnx.probabilities, byTfjs.probabilities)).toBeLessThan(1e-4);
    expect([onnx.filename, tfjs.filename]).toEqual([`${name}-1-onnx.zip`, `${name}-1-tfjs.zip`]);
  });

  it('the export has the classes, and README.txt says how to run the model', async () => {
    const { files, model } = await unpacked(name, 'safetensors');
    const labels = JSON.parse(String(files.get('labels.json')));
    expect(labels).toHaveLength(model.manifest.labels.length);
    expect(labels[0]).toMatchObject({ index: 0, label: model.manifest.labels[0]?.label });
    const lines = String(files.get('labels.txt')).split('\n');
    expect(lines[7]).toBe(model.manifest.labels[7]?.label);
    const readme = String(files.get('README.txt'));
    expect(readme).toContain('model.safetensors');
    expect(readme).toContain(`[${model.manifest.file.mean.join(', ')}]`);
    expect(readme).not.toContain('Do not scale');
    expect(readme).toContain(model.manifest.file.license);
    expect(files.get('model.safetensors')).toHaveLength(model.manifest.file.weights.size_bytes);
  });
});

describe('the export for Triton', () => {
  const name = EMBEDDED[0];

  it('is a model repository: its folder has the configuration, the labels, and a folder for the version', async () => {
    const { zip, filename, model } = await exported(name, 'triton');
    const files = await readZip(await collect(zip));
    expect(filename).toBe(`${name}-1-triton.zip`);
    expect([...files.keys()].sort()).toEqual(
      ['1/model.onnx', 'README.txt', 'card.json', 'config.pbtxt', 'labels.json', 'labels.txt'].map(
        (file) => `${name}/${file}`,
      ),
    );
    const onnx = await readZip(await collect((await exported(name, 'onnx')).zip));
    expect(files.get(`${name}/1/model.onnx`)?.equals(onnx.get('model.onnx') ?? Buffer.alloc(0))).toBe(true);
    const config = String(files.get(`${name}/config.pbtxt`));
    for (const line of [
      `name: "${name}"`,
      'max_batch_size: 64',
      'version_policy { all { } }',
      '  data_type: TYPE_UINT8',
      '  format: FORMAT_NHWC',
      '  dims: [ 64, 64, 3 ]',
      '  label_filename: "labels.txt"',
      '  preferred_batch_size: [ 4, 8, 16, 32, 64 ]',
      `  value { string_value: "${model.manifest.file.weights.sha256}" }`,
    ]) {
      expect(config.split('\n')).toContain(line);
    }
    expect(String(files.get(`${name}/README.txt`))).toContain('tritonserver --model-repository=.');
  });

  it('says that a version with other classes cannot be unpacked beside the others', async () => {
    const seedConfig = tritonConfig({ model: seed(), converted: await conversions.get(seed()) });
    const { file } = seed().manifest;
    const two = { ...seed(), version: 2, manifest: { ...seed().manifest, file: { ...file, num_classes: 2 } } };
    const config = tritonConfig({ model: two, converted: await conversions.get(seed()) });
    // Both are the configuration of the same folder.
    const dims = (text: string) => /"logits"\n.*\n {2}dims: \[ (\d+) \]/.exec(text)?.[1];
    expect([dims(seedConfig), dims(config)]).toEqual(['200', '2']);
    const readme = exportReadme(two, 'triton').replace(/\s+/g, ' ');
    expect(readme).toContain('All versions of a model share config.pbtxt and labels.txt');
    expect(readme).toContain('Remove the folder of the model before you unpack a version with other classes');
  });

  it('has the shape of every output, and batches no larger than the model takes', async () => {
    const model = models.find((each) => each.name === name) ?? seed();
    const converted = { ...(await conversions.get(model)), maxBatch: 6 };
    const detector = { ...model.manifest.file, novelty: { file: 'novelty.safetensors', sha256: '0'.repeat(64) } };
    const known = { ...model, manifest: { ...model.manifest, file: detector } };
    const config = tritonConfig({ model: known, converted });
    const outputs = [...config.matchAll(/output \{\n {2}name: "(\w+)"\n.*\n {2}dims: \[ ([\d, ]+) \]/g)];
    expect(outputs.map(([, output, dims]) => [output, dims])).toEqual([
      ['probabilities', '200'],
      ['logits', '200'],
      ['features', String(model.manifest.file.num_features)],
      ['activations', converted.activationShape.join(', ')],
      ['novelty', '1'],
    ]);
    expect(config).toContain('max_batch_size: 6\n');
    expect(config).toContain('preferred_batch_size: [ 4 ]\n');
  });

  it('names a model in 8-bit integers apart, since a folder has one configuration', async () => {
    const source = {
      model: seed(),
      converted: await conversions.get(seed()),
      producerVersion,
      variant: 'int8',
    } as const;
    const { zip, filename } = await exportModel(source, 'triton', {});
    const files = await readZip(await collect(zip));
    expect(filename).toBe(`${seed().name}-1-triton-int8.zip`);
    expect(files.has(`${seed().name}-int8/1/model.onnx`)).toBe(true);
    expect(String(files.get(`${seed().name}-int8/config.pbtxt`))).toContain(`name: "${seed().name}-int8"\n`);
  });
});

describe('an ONNX file from an export is imported without options', () => {
  const pets = ['ant', 'bee', 'cat'].map((label) => ({ label }));
  const facts = {
    title: 'Pets',
    license: 'MIT',
    resize_mode: 'pad',
    pad_color: [114, 114, 114],
    crop_pct: 0.9,
    interpolation: 'bicubic',
  } as const;

  it.each(['onnx', 'safetensors'] as const)('as it was, if it was made of %s weights', async (made) => {
    const original = made === 'safetensors' ? seed() : await foreignVersion(seed());
    const labels = made === 'safetensors' ? original.manifest.labels : pets;
    const file = {
      ...original.manifest.file,
      ...facts,
      pad_color: [...facts.pad_color] as [114, 114, 114],
      unknown_threshold: 0.37,
    };
    const model = { ...original, manifest: { ...original.manifest, labels, file } };
    const converted = await conversions.get(original);
    const { zip } = await exportModel({ model, converted, producerVersion }, 'onnx', {});
    const own = await mkdtemp(join(folder, 'alone-'));
    const path = join(own, 'model.onnx');
    await writeFile(path, (await readZip(await collect(zip))).get('model.onnx') ?? '');
    const { manifest, guessed, warnings } = await prepareImport(
      { path, name: 'again', given: {} },
      { pulledDir: own, listing: { models: [], absent: [], problems: [] }, namedLabels: () => [] },
    );
    const { input_size } = file;
    expect(manifest).toMatchObject({ ...facts, input_size, labels, unknown_threshold: 0.37 });
    expect([...guessed]).toEqual([]);
    expect(warnings.join()).not.toContain('twice');

    const { producerVersion: version } = (await readOnnxFile(path)).model;
    expect(version).toBe(producerVersion);
    const [, height, width] = input_size;
    const pixels = {
      data: Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * 37) % 256),
      shape: [1, height, width, 3],
    };
    const { architecture, mean, std } = manifest;
    const again = await convertModel(
      { weightsPath: path, architecture, mean, std, inputSize: [height, width] },
      join(own, 'converted'),
    );
    const [mine, before] = [await runOnnx(again.onnx.path, pixels), await runOnnx(converted.onnx.path, pixels)];
    expect(maxDifference(mine.probabilities, before.probabilities)).toBeLessThan(1e-6);
  });
});

/** Files that this process has open are looked up in `/proc`. */
const onLinux = existsSync('/proc/self/fd');

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return [];
    }
  });
}

describe('a download', () => {
  it.skipIf(!onLinux)('closes its file when the client cancels it', async () => {
    const { zip } = await exported(EMBEDDED[0], 'onnx');
    const weights = () => openFiles().filter((path) => path.endsWith('model.onnx'));
    zip.read();
    await expect.poll(() => weights()).toHaveLength(1);
    zip.destroy();
    await expect.poll(() => weights()).toEqual([]);
  });

  it('is refused before it begins when a file is missing', async () => {
    const { model } = await exported(EMBEDDED[0], 'onnx');
    const lost = { ...model, files: async () => ({ weightsPath: join(folder, 'nothing') }) };
    const download = exportModel(
      { model: lost, converted: await conversions.get(model), producerVersion },
      'safetensors',
      {},
    );
    await expect(download).rejects.toMatchObject({ code: 'model_unavailable' });
  });
});

describe('a model that was imported as ONNX', () => {
  it('can be exported only as ONNX', async () => {
    const model = await foreignVersion(seed());
    const converted = await conversions.get(model);
    const download = (format: ExportFormat) =>
      exportModel({ model, converted, producerVersion }, format, { id: model.name });
    const files = await readZip(await collect((await download('onnx')).zip));
    expect(files.has('model.onnx')).toBe(true);
    for (const format of ['tfjs', 'safetensors'] as const) {
      await expect(download(format)).rejects.toMatchObject({
        code: 'format_unavailable',
        context: { formats: ['onnx'] },
      });
    }
  });

  it('is exported with its separate weights file', async () => {
    const model = await foreignVersion(seed());
    const converted = await conversions.get(model);
    const data = `${converted.onnx.path}.data`;
    await writeFile(data, 'weights');
    const apart = {
      ...converted,
      onnx: { ...converted.onnx, files: [...converted.onnx.files, { path: data, sha256: '' }] },
    };
    const { zip } = await exportModel({ model, converted: apart, producerVersion }, 'onnx', {});
    expect(String((await readZip(await collect(zip))).get('model.onnx.data'))).toBe('weights');
  });

  it('has a card, whatever its name is', async () => {
    const model = await foreignVersion(seed());
    const registry = new Registry();
    registry.set({ name: model.name, origin: 'zoo', versions: [model], aliases: {}, damaged: {} });
    const store = await FileArtifactStore.open(join(folder, 'models'), createLogger('silent'));
    const quantizer = { get: () => Promise.reject(new Error('nobody asks')) };
    const catalogue = new ModelCatalogue({
      graph: new ConceptGraph([]),
      registry,
      store,
      conversions,
      quantizer,
      quantized: new QuantizedModels(join(folder, 'quantized')),
      defaultModel: model.name,
      version: '0',
    });
    await conversions.get(model);
    expect(await catalogue.describe(model.name)).toMatchObject({ id: 'theirs', formats: { onnx: {} } });
  });
});

function seed(): ModelVersion {
  const [first] = models;
  if (first === undefined) throw new Error('the zoo is empty');
  return first;
}

/** A version that is a foreign ONNX model of three classes. */
async function foreignVersion(embedded: ModelVersion): Promise<ModelVersion> {
  const weightsPath = await writeForeign(join(folder, 'theirs.onnx'), smallClassifier());
  const sha256 = createHash('sha256').update(readFileSync(weightsPath)).digest('hex');
  const { file, preprocessing } = embedded.manifest;
  const manifest = {
    ...embedded.manifest,
    name: 'theirs',
    preprocessing: { ...preprocessing, inputSize: [8, 8] as const },
    file: {
      ...file,
      architecture: { family: 'onnx' },
      input_size: [3, 8, 8] as [3, number, number],
      num_classes: 3,
      weights: { ...file.weights, format: 'onnx' as const, sha256 },
    },
  };
  return { ...embedded, name: 'theirs', files: async () => ({ weightsPath }), manifest };
}
