import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseLabels } from '../../src/registry/labels.ts';
import { manifestJsonSchema } from '../../src/registry/manifest.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';

const resnet = readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8');
const tiny200 = () => parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8'));

/** The ResNet's manifest with some fields replaced. */
function changed(fields: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(resnet), ...fields });
}

describe('manifest', () => {
  test('the JSON Schema for editors is that of the code (vitest -u writes it anew)', async () => {
    const text = `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot('../../zoo/manifest.schema.json');
  });

  test('becomes a recipe for pixels and a list of labels with synsets', () => {
    const manifest = parseManifest(resnet, tiny200);
    expect(manifest.preprocessing).toEqual({
      inputSize: [64, 64],
      resizeMode: 'crop',
      cropPct: 1,
      interpolation: 'bilinear',
    });
    expect(manifest.labels[0]).toEqual({ label: 'goldfish', synset: 'n01443537' });
  });

  test('may carry its own labels', () => {
    const manifest = parseManifest(changed({ labels: [{ label: 'cat' }, { label: 'dog' }], num_classes: 2 }), tiny200);
    expect(manifest.labels.map(({ label }) => label)).toEqual(['cat', 'dog']);
  });

  test.each([
    [{ name: '../etc' }, /^name: /],
    [{ crop_pct: 0 }, /^crop_pct: /],
    [{ resize_mode: 'squash' }, /^resize_mode: /],
    [{ resize_mode: 'pad', pad_color: [0, 0, 256] }, /^pad_color\.2: /],
    [{ interpolation: 'magic' }, /^interpolation: /],
    [{ weights: { file: '../../weights', sha256: 'x', size_bytes: 1 } }, /weights\.file: .*weights\.sha256: /],
    [{ unheard_of: 1 }, /unheard_of/],
    [
      { weights: { ...JSON.parse(resnet).weights, source: { type: 'url', url: 'ftp://a/b' } } },
      /^weights\.source\.url: /,
    ],
    [{ num_classes: 3 }, /labels: there are 200, but num_classes is 3/],
  ])('names the field that is wrong: %j', (fields, message) => {
    expect(() => parseManifest(changed(fields), tiny200)).toThrow(message);
  });

  const named = { source: 'test', license: 'MIT' };

  test('labels may name what their synsets are kinds of, each parent among them', () => {
    const classes = [
      { index: 0, label: 'tabby', synset: 'n02123045', words: ['tabby', 'tabby cat'], gloss: 'a striped cat' },
      { index: 1, label: 'tench' },
    ];
    const cat = { n02121620: { label: 'cat', parents: ['n00001740'] } };
    const entity = { n00001740: { label: 'entity', parents: [] } };
    const parse = (hypernyms: object) => parseLabels(JSON.stringify({ ...named, classes, hypernyms }));
    expect(parse({ ...cat, ...entity })).toEqual([{ label: 'tabby', synset: 'n02123045' }, { label: 'tench' }]);
    expect(() => parse(cat)).toThrow('hypernyms.n02121620.parents: n00001740 is not among the hypernyms');
  });

  test('labels out of order are refused', () => {
    const classes = [
      { index: 1, label: 'b' },
      { index: 0, label: 'a' },
    ];
    expect(() => parseLabels(JSON.stringify({ ...named, classes }))).toThrow(/classes\.0\.index/);
  });
});
