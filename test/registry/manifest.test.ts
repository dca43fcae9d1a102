import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseLabels, parseManifest } from '../../src/registry/manifest.ts';

const resnet = readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8');
const tiny200 = () => parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8'));

/** The ResNet's manifest with some fields replaced. */
function changed(fields: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(resnet), ...fields });
}

describe('manifest', () => {
  test.each(readdirSync('zoo').filter((name) => name !== 'labels'))(
    '%s is valid and named after its folder',
    (name) => {
      const manifest = parseManifest(readFileSync(`zoo/${name}/manifest.json`, 'utf8'), tiny200);
      expect(manifest.name).toBe(name);
      expect(manifest.labels).toHaveLength(manifest.file.num_classes);
    },
  );

  test('becomes a recipe for pixels and a list of labels with synsets', () => {
    const manifest = parseManifest(resnet, tiny200);
    expect(manifest.preprocessing).toEqual({ inputSize: [64, 64], cropPct: 1, interpolation: 'bilinear' });
    expect(manifest.labels[0]).toEqual({ label: 'goldfish', synset: 'n01443537' });
  });

  test('may carry its own labels', () => {
    const manifest = parseManifest(changed({ labels: [{ label: 'cat' }, { label: 'dog' }], num_classes: 2 }), tiny200);
    expect(manifest.labels.map(({ label }) => label)).toEqual(['cat', 'dog']);
  });

  test.each([
    [{ name: '../etc' }, /^name: /],
    [{ crop_pct: 0 }, /^crop_pct: /],
    [{ interpolation: 'magic' }, /^interpolation: /],
    [{ weights: { file: '../../weights', sha256: 'x', size_bytes: 1 } }, /weights\.file: .*weights\.sha256: /],
    [{ unheard_of: 1 }, /unheard_of/],
    [{ num_classes: 3 }, /labels: 200 of them, but num_classes is 3/],
  ])('names the field that is wrong: %j', (fields, message) => {
    expect(() => parseManifest(changed(fields), tiny200)).toThrow(message);
  });

  test('labels out of order are refused', () => {
    const classes = [
      { index: 1, label: 'b' },
      { index: 0, label: 'a' },
    ];
    expect(() => parseLabels(JSON.stringify({ source: 'test', classes }))).toThrow(/classes\.0\.index/);
  });
});
