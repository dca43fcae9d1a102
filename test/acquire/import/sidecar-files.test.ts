import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSidecars } from '../../../src/acquire/import/sidecar-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-sidecars-'));
});
afterEach(() => rm(folder, { recursive: true }));

const factsOf = async (file: string, document: unknown) => {
  await writeFile(join(folder, file), JSON.stringify(document));
  return await readSidecars(folder);
};

/** Of ImageNet, as most files have them. */
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

test.each<[string, string, object, object]>([
  [
    'Hugging Face, resized to a size',
    'preprocessor_config.json',
    {
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      rescale_factor: 0.00392156862745098,
      resample: 3,
      size: { height: 224, width: 192 },
    },
    {
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
      resize_mode: 'stretch',
      crop_pct: 1,
      interpolation: 'bicubic',
      suggestedSize: [224, 192],
    },
  ],
  [
    'Hugging Face, cropped from the middle',
    'preprocessor_config.json',
    {
      image_mean: MEAN,
      image_std: STD,
      do_center_crop: true,
      crop_size: { height: 224, width: 224 },
      size: { shortest_edge: 256 },
      resample: 2,
    },
    {
      mean: MEAN,
      std: STD,
      resize_mode: 'crop',
      crop_pct: 0.875,
      interpolation: 'bilinear',
      suggestedSize: [224, 224],
    },
  ],
  [
    'Hugging Face, ConvNeXt',
    'preprocessor_config.json',
    { image_mean: MEAN, image_std: STD, crop_pct: 0.9, size: 224 },
    { mean: MEAN, std: STD, resize_mode: 'crop', crop_pct: 0.9, suggestedSize: [224, 224] },
  ],
  [
    'Hugging Face, pixels of 0 to 255',
    'preprocessor_config.json',
    { do_rescale: false, do_normalize: false },
    { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255], resize_mode: 'crop', crop_pct: 1 },
  ],
  [
    'timm',
    'config.json',
    {
      architecture: 'resnet18',
      pretrained_cfg: {
        input_size: [3, 288, 288],
        mean: MEAN,
        std: STD,
        crop_pct: 0.95,
        interpolation: 'bicubic',
        crop_mode: 'squash',
      },
    },
    {
      mean: MEAN,
      std: STD,
      resize_mode: 'stretch',
      crop_pct: 0.95,
      interpolation: 'bicubic',
      suggestedSize: [288, 288],
      title: 'resnet18',
    },
  ],
  [
    'timm, which pads with the colour of the mean',
    'config.json',
    { input_size: [3, 224, 224], mean: MEAN, std: STD, crop_pct: 1, interpolation: 'bicubic', crop_mode: 'border' },
    {
      mean: MEAN,
      std: STD,
      resize_mode: 'pad',
      pad_color: [124, 116, 104],
      crop_pct: 1,
      interpolation: 'bicubic',
      suggestedSize: [224, 224],
    },
  ],
  [
    'Custom Vision, stretched',
    'metadata_properties.json',
    {
      'CustomVision.Preprocess.CropHeight': '0',
      'CustomVision.Preprocess.CropWidth': '0',
      'CustomVision.Preprocess.TargetHeight': '224',
      'CustomVision.Preprocess.TargetWidth': '224',
      'Image.BitmapPixelFormat': 'Bgr8',
      'Image.NominalPixelRange': 'NominalRange_0_255',
    },
    {
      range: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
      resize_mode: 'stretch',
      crop_pct: 1,
      suggestedSize: [224, 224],
      suggestedOrder: 'bgr',
    },
  ],
  [
    'Custom Vision, cropped',
    'metadata_properties.json',
    {
      'CustomVision.Preprocess.CropHeight': '224',
      'CustomVision.Preprocess.CropWidth': '224',
      'CustomVision.Preprocess.TargetHeight': '256',
      'CustomVision.Preprocess.TargetWidth': '256',
      'Image.BitmapPixelFormat': 'Rgb8',
      'Image.NominalPixelRange': 'Normalized_0_1',
    },
    {
      range: { mean: [0, 0, 0], std: [1, 1, 1] },
      resize_mode: 'crop',
      crop_pct: 0.875,
      suggestedSize: [224, 224],
      suggestedOrder: 'rgb',
    },
  ],
  [
    'older timm',
    'config.json',
    { architecture: 'resnet18', input_size: [3, 224, 224], mean: MEAN, std: STD, crop_pct: 0.875, interpolation: 'x' },
    { mean: MEAN, std: STD, resize_mode: 'crop', crop_pct: 0.875, suggestedSize: [224, 224], title: 'resnet18' },
  ],
  [
    'Teachable Machine',
    'metadata.json',
    { tmVersion: '2.4.5', labels: ['Cup', 'Pen'], imageSize: 96 },
    { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], resize_mode: 'crop', crop_pct: 1, suggestedSize: [96, 96] },
  ],
])('%s', async (_, file, document, facts) => {
  const found = await factsOf(file, document);
  expect(found.facts).toEqual(facts);
  expect(found.notes).toContainEqual(expect.stringMatching(`^${file} gives (mean, std|the range of pixels)`));
});

test.each([
  [
    'a repository',
    { _name_or_path: 'microsoft/resnet-18', architectures: ['ResNetForImageClassification'] },
    'microsoft/resnet-18',
  ],
  [
    'a folder of the maker',
    { _name_or_path: '/home/me/out', architectures: ['ViTForImageClassification'] },
    'ViTForImageClassification',
  ],
])('%s gives the name of the network, if it is one', async (_, document, title) => {
  expect((await factsOf('config.json', document)).facts).toEqual({ title });
});

test('another file of the same name says nothing', async () => {
  await writeFile(join(folder, 'metadata.json'), 'no JSON');
  expect(await factsOf('config.json', { model_type: 'resnet', id2label: { 0: 'a', 1: 'b' } })).toEqual({
    facts: {},
    notes: [],
  });
});
