import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseLabels, parseManifest } from '../../src/registry/manifest.ts';
import { type ModelVersion, Registry, SERVING_ALIAS } from '../../src/registry/registry.ts';

const manifest = parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
  parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
);

function version(name: string, number: number): ModelVersion {
  return { name, version: number, manifest, weightsPath: `${name}/${number}` };
}

function registryOf(aliases: Record<string, number>): Registry {
  const registry = new Registry();
  registry.set({ name: 'flowers', versions: [version('flowers', 1), version('flowers', 3)], aliases });
  return registry;
}

describe('a reference to a model', () => {
  test('without a version is what the serving alias points at', () => {
    expect(registryOf({ [SERVING_ALIAS]: 1 }).resolve('flowers').version).toBe(1);
  });

  test('without a version and alias is the newest', () => {
    expect(registryOf({}).resolve('flowers').version).toBe(3);
  });

  test('may name a version or an alias', () => {
    const registry = registryOf({ old: 1 });
    expect(registry.resolve('flowers@3').version).toBe(3);
    expect(registry.resolve('flowers@old').version).toBe(1);
  });

  test('to something unknown is answered with what there is', () => {
    expect(() => registryOf({}).resolve('trees')).toThrow('there is no model "trees"; there are flowers');
    expect(() => registryOf({ old: 1 }).resolve('flowers@2')).toThrow('model "flowers" has no "2"; it has 1, 3, old');
    expect(() => registryOf({}).resolve('constructor')).toThrow(expect.objectContaining({ code: 'model_not_found' }));
    expect(() => registryOf({}).resolve('flowers@toString')).toThrow(/has no "toString"/);
  });

  test('to a model whose weights are not here is answered with how to get them', () => {
    const registry = registryOf({});
    registry.setAbsent({ name: 'resnet50.tv_in1k', file: manifest.file });
    expect(() => registry.resolve('resnet50.tv_in1k')).toThrow(
      '"npm run zoo -- pull resnet50.tv_in1k" gets them (6 MB)',
    );
    expect(() => registry.resolve('resnet50.tv_in1k')).toThrow(expect.objectContaining({ code: 'model_not_pulled' }));
    registry.set({ name: 'resnet50.tv_in1k', versions: [version('resnet50.tv_in1k', 1)], aliases: {} });
    expect(registry.resolve('resnet50.tv_in1k').version).toBe(1);
    expect(registry.absent()).toEqual([]);
  });

  test('follows a replaced model at once', () => {
    const registry = registryOf({ [SERVING_ALIAS]: 1 });
    registry.set({ ...registry.get('flowers'), aliases: { [SERVING_ALIAS]: 3 } });
    expect(registry.resolve('flowers').version).toBe(3);
  });
});
