import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ImportRequest, prepareImport } from '../../../src/acquire/import/model-import.ts';
import { STAGING_DIR } from '../../../src/common/staging-folder.ts';
import type { NodeProto, TensorProto } from '../../../src/convert/formats/onnx/proto.ts';
import { SafetensorsFile } from '../../../src/convert/formats/safetensors/reader.ts';
import { writeTfjs } from '../../../src/convert/formats/tfjs/emitter.ts';
import { buildNetwork, parseArchitecture } from '../../../src/convert/network.ts';
import { writeFineTuned } from '../../../src/convert/transfer/fine-tuned.ts';
import { openLocalModel } from '../../../src/finetuning/features/local-model.ts';
import { FileArtifactStore } from '../../../src/registry/file-artifact-store.ts';
import { Repository } from '../../../src/registry/repository.ts';
import { readNamedLabels } from '../../../src/registry/zoo.ts';
import { ConversionCache } from '../../../src/serving/conversion-cache.ts';
import { floats, node, smallClassifier, writeForeign } from '../../convert/foreign-onnx/foreign-model.ts';
import {
  type StorageFixture,
  storage,
  streamForm,
  tensor,
  zipForm,
} from '../../convert/formats/pytorch/checkpoints.ts';

const logger = pino({ level: 'silent' });
const namedLabels = await readNamedLabels('zoo');
const RESNET = 'resnet18_slim.tiny200';
const weightsPath = `zoo/${RESNET}/weights.safetensors`;

let folder: string;
let pulledDir: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-import-'));
  pulledDir = join(folder, 'data/zoo');
});
afterEach(() => rm(folder, { recursive: true }));

/** For all tests: what is the same is converted once. */
const converted = await mkdtemp(join(tmpdir(), 'menagerie-import-converted-'));
afterAll(() => rm(converted, { recursive: true }));

const list = async () =>
  await new Repository('zoo', await FileArtifactStore.open(join(folder, 'data/models'), logger), pulledDir).list();
const prepare = async (request: Partial<ImportRequest>) =>
  await prepareImport(
    { path: weightsPath, name: 'mine', given: {}, ...request },
    { pulledDir, listing: await list(), namedLabels },
  );

/** Everything in the folder of models but the place for staging folders. */
const contents = async () =>
  (await readdir(pulledDir, { recursive: true }).catch(() => [])).filter((path) => path !== STAGING_DIR);

/** Logits and features of a picture, by the model that a server would find under this name. */
async function answers(name: string): Promise<{ logits: Float32Array; features: Float32Array }> {
  const { models } = await list();
  const model = models.find((each) => each.name === name)?.versions[0];
  if (model === undefined) throw new Error(`there is no ${name}`);
  const { onnx } = await new ConversionCache(converted, logger).get(model);
  const local = await openLocalModel({ onnxPath: onnx.path }, model.manifest.preprocessing);
  const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, index) => (index * 7) % 256);
  const logits = await local.compute(pixels, 'logits');
  const features = await local.compute(pixels, 'features');
  await local.close();
  return { logits, features };
}

async function expectSameAnswers(name: string, tolerance: number): Promise<void> {
  const [mine, original] = [await answers(name), await answers(RESNET)];
  const difference = (a: Float32Array, b: Float32Array) =>
    a.reduce((most, value, index) => Math.max(most, Math.abs(value - (b[index] ?? Number.NaN))), a.length - b.length);
  expect(difference(mine.logits, original.logits)).toBeLessThanOrEqual(tolerance);
  expect(difference(mine.features, original.features)).toBeLessThanOrEqual(tolerance);
}

/** The embedded ResNet as a training script would have saved it: each tensor's storage, under names with a prefix. */
async function asCheckpoint(): Promise<{ object: Map<string, unknown>; storages: StorageFixture[] }> {
  const file = await SafetensorsFile.open(weightsPath);
  const storages: StorageFixture[] = [];
  const state = new Map<string, unknown>();
  for (const [name, { shape }] of file.entries) {
    if (name.endsWith('num_batches_tracked')) continue;
    const fixture = storage('FloatStorage', `${storages.length}`, await file.read(name));
    storages.push(fixture);
    state.set(`module.${name}`, tensor(fixture, shape));
  }
  await file.close();
  return {
    object: new Map<string, unknown>([
      ['epoch', 12],
      ['state_dict', state],
    ]),
    storages,
  };
}

describe('an imported model gives the outputs of the original', () => {
  test('from safetensors: the architecture is recognized, and the preprocessing is that of similar models of the zoo', async () => {
    const prepared = await prepare({ labels: 'tiny200' });
    expect(prepared.manifest).toMatchObject({
      name: 'mine',
      architecture: 'resnet18_slim',
      num_classes: 200,
      num_features: 256,
      parameters: 2_846_440,
      input_size: [3, 64, 64],
      crop_pct: 1,
      mean: [0.485, 0.456, 0.406],
      labels: 'tiny200',
      license: 'not stated',
    });
    expect([...prepared.guessed].sort()).toEqual([
      'crop_pct',
      'input_size',
      'interpolation',
      'mean',
      'resize_mode',
      'std',
    ]);
    expect(await readdir(pulledDir)).not.toContain('mine');
    await prepared.commit();
    expect(await readdir(pulledDir)).toEqual([STAGING_DIR, 'mine']);
    await expectSameAnswers('mine', 0);
  });

  test.each<[string, (object: unknown, storages: readonly StorageFixture[]) => Buffer | Promise<Buffer>]>([
    ['the zip form', zipForm],
    ['the stream form', streamForm],
  ])('from a PyTorch checkpoint of %s, out of its wrappers', async (_, form) => {
    const { object, storages } = await asCheckpoint();
    const path = join(folder, 'last.pth');
    await writeFile(path, await form(object, storages));
    await (await prepare({ path })).commit();
    await expectSameAnswers('mine', 0);
  });

  test('from the averaged weights of a checkpoint, as the notes say', async () => {
    const { object, storages } = await asCheckpoint();
    const averaged = new Map<string, unknown>([...(object.get('state_dict') as Map<string, unknown>)]);
    const zero = storage('FloatStorage', `${storages.length}`, new Float32Array(256 * 200));
    const raw = new Map([...averaged, ['module.fc.weight', tensor(zero, [200, 256])]]);
    const names = new Map(Array.from({ length: 200 }, (_, index) => [index, `kind ${index}`]));
    const path = join(folder, 'last.pth.tar');
    await writeFile(
      path,
      await zipForm(
        new Map<string, unknown>([
          ['state_dict', raw],
          ['model_ema', averaged],
          ['hyper_parameters', new Map([['idx_to_class', names]])],
        ]),
        [...storages, zero],
      ),
    );
    const prepared = await prepare({ path });
    expect(prepared.notes).toEqual([
      expect.stringMatching(/"model_ema".*"state_dict".*--weights raw/),
      'The labels are those of "hyper_parameters.idx_to_class" in the checkpoint.',
    ]);
    expect(prepared.manifest.labels.slice(0, 2)).toEqual([{ label: 'kind 0' }, { label: 'kind 1' }]);
    expect(prepared.manifest.provenance).toMatchObject({ weights: 'ema' });
    await prepared.commit();
    await expectSameAnswers('mine', 0);
  });

  test('from a checkpoint whose head is a dropout and a dense layer', async () => {
    const { object, storages } = await asCheckpoint();
    const state = object.get('state_dict') as Map<string, unknown>;
    const trained = new Map(Array.from(state, ([name, value]) => [name.replace('.fc.', '.fc.1.'), value]));
    const path = join(folder, 'best.pt');
    await writeFile(path, await zipForm(trained, storages));
    const prepared = await prepare({ path });
    expect(prepared.manifest).toMatchObject({ architecture: 'resnet18_slim', num_classes: 200, crop_pct: 1 });
    await prepared.commit();
    await expectSameAnswers('mine', 0);
  });

  test('from a TF.js model', async () => {
    const { architecture, mean, std } = JSON.parse(await readFile(`zoo/${RESNET}/manifest.json`, 'utf8'));
    const weights = await SafetensorsFile.open(weightsPath);
    const graph = buildNetwork(parseArchitecture(architecture), weights, { inputSize: [64, 64], mean, std });
    await writeTfjs(graph, join(folder, 'web'));
    await weights.close();
    const prepared = await prepare({ path: join(folder, 'web') });
    expect(prepared.manifest).toMatchObject({
      architecture: { family: 'graph' },
      mean: [0, 0, 0],
      resize_mode: 'stretch',
      num_classes: 200,
      parameters: 2_846_440 + 6,
    });
    expect(prepared.manifest.labels).toContainEqual({ label: 'class 7' });
    await prepared.commit();
    await expectSameAnswers('mine', 1e-4);
  });
});

test('a fine-tuned model comes back from its export, with its head', async () => {
  const own = join(folder, 'export');
  await mkdir(own);
  const architecture = { family: 'resnet', block: 'basic', layers: [2, 2, 2, 2], widths: [32, 64, 128, 256] };
  const table = { ...architecture, stem: { kernel: 3, stride: 2, pool: false } };
  const head = { inputs: 256, outputs: 3, weight: new Float32Array(768).fill(0.5), bias: Float32Array.of(1, 2, 3) };
  const backbone = { weightsPath, architecture: table, inputSize: [64, 64], mean: [0, 0, 0], std: [1, 1, 1] } as const;
  const tuned = await writeFineTuned(backbone, { from: 'features', layers: [head] }, join(own, 'model.safetensors'));
  const facts = { architecture: tuned, input_size: [3, 64, 64], mean: [0, 0, 0], std: [1, 1, 1], num_classes: 3 };
  await writeFile(join(own, 'architecture.json'), JSON.stringify(facts));
  await writeFile(
    join(own, 'card.json'),
    JSON.stringify({
      preprocessing: { resize_mode: 'pad', pad_color: [114, 114, 114], crop_pct: 0.9, interpolation: 'bicubic' },
    }),
  );
  await writeFile(join(own, 'labels.json'), JSON.stringify(['a', 'b', 'c'].map((label, index) => ({ index, label }))));
  const prepared = await prepare({ path: own });
  expect(prepared.manifest).toMatchObject({
    mean: [0, 0, 0],
    resize_mode: 'pad',
    pad_color: [114, 114, 114],
    crop_pct: 0.9,
    interpolation: 'bicubic',
    num_classes: 3,
  });
  expect(prepared.manifest.labels).toEqual([{ label: 'a' }, { label: 'b' }, { label: 'c' }]);
  await prepared.commit();
  const { logits, features } = await answers('mine');
  const expected = features.reduce((sum, value) => sum + value / 2, 1);
  expect(logits[0]).toBeCloseTo(expected, 3);
});

test('a checkpoint with one output for a sigmoid becomes a model of two classes', async () => {
  const { object, storages } = await asCheckpoint();
  const state = object.get('state_dict') as Map<string, unknown>;
  const [weight, bias] = [
    storage('FloatStorage', 'weight', new Float32Array(256).fill(0.5)),
    storage('FloatStorage', 'bias', Float32Array.of(-3)),
  ];
  const trained = new Map([
    ...state,
    ['module.fc.weight', tensor(weight, [1, 256])] as const,
    ['module.fc.bias', tensor(bias, [1])] as const,
  ]);
  const path = join(folder, 'cats.pth');
  await writeFile(path, await zipForm(trained, [...storages, weight, bias]));
  const prepared = await prepare({ path });
  expect(prepared.manifest).toMatchObject({ num_classes: 2, num_features: 256 });
  await prepared.commit();
  const { logits, features } = await answers('mine');
  expect(logits[0]).toBeCloseTo(0, 6);
  expect(logits[1]).toBeCloseTo(
    features.reduce((sum, value) => sum + value / 2, -3),
    3,
  );
});

test('given options take precedence over guesses', async () => {
  const { manifest, guessed } = await prepare({
    title: 'Mine',
    license: 'MIT',
    given: { resize_mode: 'stretch', crop_pct: 0.5, interpolation: 'lanczos', std: [1, 2, 3], input_size: [3, 96, 96] },
  });
  expect(manifest).toMatchObject({
    title: 'Mine',
    license: 'MIT',
    resize_mode: 'stretch',
    crop_pct: 0.5,
    std: [1, 2, 3],
    input_size: [3, 96, 96],
  });
  expect([...guessed].sort()).toEqual(['labels', 'mean']);
});

test('a labels file beside the model is used if it has as many labels as the model has classes', async () => {
  const own = join(folder, 'own');
  await mkdir(own);
  await copyFile(weightsPath, join(own, 'model.safetensors'));
  await writeFile(join(own, 'labels.txt'), Array.from({ length: 200 }, (_, index) => `name ${index}\n`).join(''));
  const { manifest } = await prepare({ path: own });
  expect(manifest.labels).toContainEqual({ label: 'name 7' });
});

describe('is refused, and leaves nothing behind:', () => {
  test.each<[string, Partial<ImportRequest>, string]>([
    ['a name that is taken', { name: RESNET }, `a model "${RESNET}" exists already`],
    ['a name of the zoo that is not pulled', { name: 'resnet34.tv_in1k' }, 'already'],
    ['a name that is none', { name: '../mine' }, 'must consist of lower-case letters'],
    [
      'labels of another number',
      { labels: 'imagenet-1k' },
      'imagenet-1k has 1000 labels, but the model has 200 classes',
    ],
    ['another architecture', { given: { architecture: 'resnet34' } }, 'tensor "conv1.weight"'],
    ['an architecture that is none', { given: { architecture: 'resnet1' } }, 'there is no architecture "resnet1"'],
    ['--weights of a model that is no checkpoint', { given: { weights: 'ema' } }, 'has no averaged weights'],
    ['a nonsensical field', { given: { crop_pct: 2 } }, 'crop_pct: '],
    ['a model that is not there', { path: 'none.pth' }, 'none.pth does not exist'],
  ])('%s', async (_, request, reason) => {
    await expect(prepare(request)).rejects.toThrow(reason);
    expect(await contents()).toEqual([]);
  });

  test('one that is discarded, or whose name was taken meanwhile', async () => {
    await (await prepare({})).discard();
    expect(await contents()).toEqual([]);
    const [first, second] = [await prepare({}), await prepare({})];
    await first.commit();
    await expect(second.commit()).rejects.toThrow('exists already');
    await second.discard();
    expect((await contents()).filter((path) => !path.includes('/'))).toEqual(['mine']);
  });
});

test('what a killed import left is removed by the next one', async () => {
  await mkdir(join(pulledDir, STAGING_DIR, 'killed.tmp', 'mine'), { recursive: true });
  await (await prepare({})).discard();
  expect(await contents()).toEqual([]);
});

test('an ONNX model is imported unchanged, and its features and activations are found', async () => {
  const original = (await list()).models.find(({ name }) => name === RESNET)?.versions[0];
  if (original === undefined) throw new Error(`there is no ${RESNET}`);
  const { onnx } = await new ConversionCache(converted, logger).get(original);
  const { manifest, guessed, commit } = await prepare({ path: onnx.path, labels: 'tiny200', given: {} });
  expect(manifest).toMatchObject({
    weights: { file: 'model.onnx', format: 'onnx', sha256: onnx.sha256 },
    architecture: { family: 'onnx', input: 'pixels', layout: 'nhwc', output: 'logits', features: 'features' },
    input_size: [3, 64, 64],
    mean: [0, 0, 0],
    num_features: 256,
  });
  // The mean of each channel, which the graph subtracts, tells their order.
  expect(guessed).not.toContain('channel_order');
  await commit();
  await expectSameAnswers('mine', 1e-5);
});

test('a folder of Hugging Face gives labels, mean and std; the graph gives the size', async () => {
  const own = join(folder, 'hub');
  await mkdir(own);
  const path = await writeForeign(join(own, 'model.onnx'), smallClassifier());
  const { manifest: plain } = await prepare({ path });
  const id2label = Object.fromEntries(Array.from({ length: plain.num_classes }, (_, index) => [index, `pet ${index}`]));
  const half = [0.5, 0.5, 0.5];
  await writeFile(join(own, 'config.json'), JSON.stringify({ id2label }));
  await writeFile(
    join(own, 'preprocessor_config.json'),
    JSON.stringify({ image_mean: half, image_std: half, size: { height: 224, width: 224 } }),
  );
  const { manifest, guessed, notes } = await prepare({ path: own });
  expect(manifest).toMatchObject({ mean: half, std: half, input_size: plain.input_size });
  expect(manifest.labels).toContainEqual({ label: 'pet 1' });
  expect(guessed).not.toContain('mean');
  expect(notes).toEqual([
    expect.stringContaining('preprocessor_config.json gives mean'),
    'The labels are those of config.json.',
  ]);
});

const pets = [{ label: 'ant' }, { label: "bee's" }, { label: 'cat' }];

test('labels in the metadata of an ONNX model are read, as Ultralytics writes them', async () => {
  const metadata = { imgsz: '[8, 8]', names: `{0: 'ant', 1: "bee's", 2: 'cat'}` };
  const path = await writeForeign(join(folder, 'best.onnx'), { ...smallClassifier(), metadata });
  const { manifest, guessed, notes } = await prepare({ path });
  expect(manifest).toMatchObject({ labels: pets, mean: [0, 0, 0], std: [1, 1, 1], resize_mode: 'crop', crop_pct: 1 });
  expect([...guessed]).toEqual(['channel_order']);
  expect(notes).toEqual([
    expect.stringMatching('^The metadata of the model gives the range of pixels, resize_mode'),
    'The labels are those of the metadata of the model.',
  ]);
});

describe('a file beside a model that scales its pixels itself', () => {
  const half = [0.5, 0.5, 0.5] as const;
  const scaling = async (first: NodeProto[], constants: TensorProto[]) => {
    const { nodes, tensors = [], ...rest } = smallClassifier();
    const [convolution, ...others] = nodes;
    const moved = { ...convolution, inputs: ['x', ...(convolution?.inputs ?? []).slice(1)] };
    await writeFile(
      join(folder, 'preprocessor_config.json'),
      JSON.stringify({ image_mean: half, image_std: half, size: 8 }),
    );
    const model = { ...rest, nodes: [...first, moved, ...others], tensors: [...tensors, ...constants] };
    return await writeForeign(join(folder, 'scaling.onnx'), model);
  };

  test('is not followed when the model normalises, and the user is told', async () => {
    const path = await scaling(
      [node('Div', ['image', 'a'], 'y'), node('Sub', ['y', 'b'], 'x')],
      [floats('a', [], [127.5]), floats('b', [], [1])],
    );
    const { manifest, notes, warnings } = await prepare({ path });
    expect(manifest).toMatchObject({ mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] });
    expect(notes).toContain(
      'A file beside the model gives other pixels; they are not taken, ' +
        'since the first operations of the model scale pixels of 0 to 255.',
    );
    expect(warnings.join()).not.toContain('scaled twice');
    const insisting = await prepare({ path, given: { mean: [...half], std: [...half] } });
    expect(insisting.manifest).toMatchObject({ mean: half });
    expect(insisting.warnings).toContainEqual(expect.stringContaining('pixels are probably scaled twice'));
  });

  test('is followed when the model only divides, with a warning', async () => {
    const path = await scaling([node('Div', ['image', 'a'], 'x')], [floats('a', [], [255])]);
    const { manifest, warnings } = await prepare({ path });
    expect(manifest).toMatchObject({ mean: half, std: half });
    expect(warnings).toContainEqual(
      expect.stringMatching(/applied, but the first operations.*give --mean 0,0,0 --std 0.0039/),
    );
  });
});

describe('a model is tried on pictures before it is taken:', () => {
  /** Its logits are `first`, and the means of red and green times `gain`. */
  const withGain = (gain: number, first: number) => {
    const { nodes, tensors = [], outputs } = smallClassifier();
    const own = [
      floats('conv.weight', [4, 3, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]),
      floats('conv.bias', [4], [0, 0, 0, 0]),
      floats('fc.weight', [3, 4], [0, 0, 0, 0, gain, 0, 0, 0, 0, gain, 0, 0]),
      floats('fc.bias', [3], [first, 0, 0]),
    ];
    const names = own.map(({ name }) => name);
    const [, ...others] = nodes;
    return {
      nodes: [node('Conv', ['image', 'conv.weight', 'conv.bias'], 'conv', { kernel_shape: [1, 1] }), ...others],
      tensors: [...own, ...tensors.filter(({ name }) => !names.includes(name))],
      outputs,
    };
  };

  test('scores that hardly move are a warning, which says what would move them', async () => {
    const path = await writeForeign(join(folder, 'bytes.onnx'), withGain(1 / 60, 2));
    const { warnings } = await prepare({ path });
    expect(warnings).toEqual([
      expect.stringMatching(/hardly move over 8 test pictures.*They move with --mean 0 --std 0.00392157/),
    ]);
    const right = await prepare({ path, given: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] } });
    expect(right.warnings).toEqual([]);
  });

  test('one class for all is a warning', async () => {
    const path = await writeForeign(join(folder, 'constant.onnx'), withGain(8, 6.5));
    const { warnings } = await prepare({ path, given: { mean: [0, 0, 0], std: [1, 1, 1] } });
    expect(warnings).toEqual([
      expect.stringMatching('^All 8 test pictures, which differ much, get the class "class 0"'),
    ]);
  });
});

test('a ZipMap gives the labels, and the tensor that it reads the scores', async () => {
  const { nodes, ...rest } = smallClassifier({ softmax: true });
  const strings = pets.map(({ label }) => Buffer.from(label));
  const zipMap = {
    ...node('ZipMap', ['scores'], 'loss'),
    domain: 'ai.onnx.ml',
    attributes: [{ name: 'classlabels_strings', type: 8, strings }],
  };
  const path = await writeForeign(join(folder, 'vision.onnx'), {
    ...rest,
    nodes: [...nodes, zipMap],
    outputs: ['scores', 'loss'],
  });
  const { manifest } = await prepare({ path });
  expect(manifest.labels).toEqual(pets);
  expect(manifest.architecture).toMatchObject({ output: 'logits', output_kind: 'logits' });
});

test('labels that are not as many as the outputs of an ONNX model are refused', async () => {
  const path = await writeForeign(join(folder, 'theirs.onnx'), smallClassifier());
  await expect(prepare({ path, labels: 'tiny200' })).rejects.toThrow('no output is a vector of 200 classes');
});
