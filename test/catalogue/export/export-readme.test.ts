import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { exportReadme } from '../../../src/catalogue/export/export-readme.ts';
import { parseManifest } from '../../../src/registry/resolve-manifest.ts';

const resnet = JSON.parse(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'));
const labels = Array.from({ length: 200 }, (_, index) => ({ label: `class ${index}` }));

test.each([
  [
    { resize_mode: 'crop', crop_pct: 0.875 },
    'its shorter side is that of the input divided by 0.875, and crop the centre.',
  ],
  [
    { resize_mode: 'stretch' },
    'each side is that of the input, whatever its proportions. Ignore embedded colour profiles. Transparent parts are white. Do not scale',
  ],
  [{ resize_mode: 'stretch', crop_pct: 0.9 }, 'divided by 0.9, whatever its proportions. Then crop the centre.'],
  [
    { resize_mode: 'pad' },
    'its longer side is that of the input, and fill the rest around it with RGB 0, 0, 0. Ignore embedded',
  ],
  [{ icc: 'convert' }, 'and crop the centre. Convert embedded colour profiles to sRGB.'],
  [{ resize_mode: 'pad', pad_color: [114, 114, 114] }, 'with RGB 114, 114, 114.'],
])('the note of an exported model says how a photo becomes its input: %o', (fields, sentence) => {
  const manifest = parseManifest(JSON.stringify({ ...resnet, ...fields }), () => labels);
  const files = () => Promise.reject(new Error('they are not needed'));
  const readme = exportReadme({ name: manifest.name, version: 1, manifest, files }, 'onnx');
  expect(readme.replace(/\s+/g, ' ')).toContain(sentence);
  expect(Math.max(...readme.split('\n').map((line) => line.length))).toBeLessThan(140);
});
