import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseLabels } from '../../src/registry/labels.ts';
import { type ModelVersion, Registry, SERVING_ALIAS } from '../../src/registry/registry.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';

const manifest = parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
  parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
);

function version(name: string, number: number): ModelVersion {
  return { name, version: number, manifest, files: async () => ({ weightsPath: `${name}/${number}` }) };
}

function registryOf(aliases: Record<string, number>, damaged: Record<string, string> = {}): Registry {
  const registry = new Registry();
  const versions = [1, 3].filter((number) => !(number in damaged)).map((number) => version('flowers', number));
  registry.set({ name: 'flowers', origin: 'store', versions, aliases, damaged });
  return registry;
}

describe('a reference to a model', () => {
  test('without a version is what the serving alias points to', () => {
    expect(registryOf({ [SERVING_ALIAS]: 1 }).resolve('flowers').version).toBe(1);
  });

  test('without a version and serving alias is the newest version', () => {
    expect(registryOf({ old: 1 }).resolve('flowers').version).toBe(3);
  });

  test('may name a version or an alias', () => {
    const registry = registryOf({ old: 1 });
    expect(registry.resolve('flowers@3').version).toBe(3);
    expect(registry.resolve('flowers@old').version).toBe(1);
  });

  test('that is unknown is refused with the known names', () => {
    expect(() => registryOf({}).resolve('trees')).toThrow('there is no model "trees"; there are flowers');
    expect(() => registryOf({ old: 1 }).resolve('flowers@2')).toThrow('model "flowers" has no "2"; it has 1, 3, old');
    expect(() => registryOf({}).resolve('constructor')).toThrow(expect.objectContaining({ code: 'model_not_found' }));
    expect(() => registryOf({}).resolve('flowers@toString')).toThrow(/has no "toString"/);
    expect(() => registryOf({}).resolve('flowers@constructor')).toThrow(/has no "constructor"/);
  });

  test.each([
    '',
    '@',
    '@1',
    'flowers@',
    'flowers@@1',
    'flowers@1@',
    'flowers@1@junk',
    'flowers@production@3',
    'flowers@01',
    'flowers@0',
    'flowers@+1',
    'flowers@1.0',
    'flowers@1 ',
    ' flowers',
    'flowers%401',
    'flowers@%31',
    'flowers@1\n',
    'Flowers',
    'flowers@Production',
    'flowers@1e0',
    'flowers@9999999999',
  ])('like %j is not found', (reference) => {
    const registry = registryOf({ [SERVING_ALIAS]: 1 });
    expect(() => registry.resolve(reference)).toThrow(
      expect.objectContaining({ code: 'model_not_found', status: 404 }),
    );
  });
});

describe('a short name', () => {
  const zoo = (here: string[], absent: string[] = [], recommended: string[] = []): Registry => {
    const registry = new Registry();
    const file = (name: string) => ({
      ...manifest.file,
      name,
      ...(recommended.includes(name) && { recommended: true as const }),
    });
    for (const name of here) {
      const versions = [{ ...version(name, 1), manifest: { ...manifest, file: file(name) } }];
      registry.set({ name, origin: 'zoo', versions, aliases: {}, damaged: {} });
    }
    for (const name of absent) registry.setAbsent({ name, file: file(name) });
    return registry;
  };

  test('means the only weights of its architecture', () => {
    expect(zoo(['vgg16.tv_in1k', 'vgg16_bn.tv_in1k']).resolve('vgg16').name).toBe('vgg16.tv_in1k');
    expect(zoo(['vgg16.tv_in1k']).resolve('vgg16@1').name).toBe('vgg16.tv_in1k');
  });

  test('means the recommended ones of several, whichever are here', () => {
    expect(zoo(['net.a', 'net.b'], [], ['net.b']).resolve('net').name).toBe('net.b');
    expect(() => zoo(['net.a'], ['net.b'], ['net.b']).resolve('net')).toThrow(
      expect.objectContaining({ code: 'model_not_pulled', context: { model: 'net.b', size_bytes: 5_731_160 } }),
    );
  });

  test('of several without a recommendation is refused with their names, and so is an unknown tag', () => {
    const names = 'of this architecture there are net.a, net.b';
    expect(() => zoo(['net.b'], ['net.a']).resolve('net')).toThrow(`there is no model "net"; ${names}`);
    expect(() => zoo(['net.b'], ['net.a']).resolve('net.c')).toThrow(`there is no model "net.c"; ${names}`);
  });

  test('is the name of a trained model first', () => {
    const registry = zoo(['net.a']);
    registry.set({ name: 'net', origin: 'store', versions: [version('net', 2)], aliases: {}, damaged: {} });
    expect(registry.resolve('net')).toMatchObject({ name: 'net', version: 2 });
  });

  test('that is unknown is answered with the nearest, or those that begin with it', () => {
    const registry = zoo(['resnet50.tv_in1k'], ['resnet101.tv_in1k', 'vgg16.tv_in1k']);
    expect(() => registry.resolve('ResNet-50')).toThrow('did you mean resnet50?');
    expect(() => registry.resolve('restnet101')).toThrow('did you mean resnet101?');
    expect(() => registry.resolve('vgg')).toThrow('did you mean vgg16?');
    expect(() => registry.resolve('yolo')).toThrow('there are resnet50.tv_in1k');
  });
});

describe('a reference to something damaged is unavailable, and no other version answers in its place', () => {
  const unavailable = (message: RegExp) =>
    expect.objectContaining({ code: 'model_unavailable', status: 503, message: expect.stringMatching(message) });

  test('the version of the serving alias', () => {
    const registry = registryOf({ [SERVING_ALIAS]: 1 }, { 1: 'flowers/1/weights is missing' });
    const reason = /^flowers@production cannot be used: flowers\/1\/weights is missing; .* can be used: flowers@3$/;
    expect(() => registry.resolve('flowers')).toThrow(unavailable(reason));
    expect(() => registry.resolve('flowers@production')).toThrow(unavailable(reason));
    expect(() => registry.resolve('flowers@1')).toThrow(unavailable(/^flowers@1 cannot be used/));
    expect(registry.resolve('flowers@3').version).toBe(3);
  });

  test('the newest version, for a bare name without a serving alias', () => {
    const registry = registryOf({}, { 3: 'damaged' });
    expect(() => registry.resolve('flowers')).toThrow(unavailable(/flowers@3 cannot be used: damaged/));
    expect(registry.resolve('flowers@1').version).toBe(1);
  });

  test('the serving alias itself', () => {
    const registry = registryOf({ old: 1 }, { [SERVING_ALIAS]: 'it holds "x"' });
    expect(() => registry.resolve('flowers')).toThrow(unavailable(/flowers@production cannot be used: it holds "x"/));
    expect(registry.resolve('flowers@old').version).toBe(1);
  });

  test('an alias to a version that does not exist', () => {
    const registry = registryOf({ [SERVING_ALIAS]: 2 });
    expect(() => registry.resolve('flowers')).toThrow(unavailable(/production points to version 2, which does not/));
    expect(() => registry.resolve('flowers@2')).toThrow(expect.objectContaining({ code: 'model_not_found' }));
  });

  test('a model without any sound version', () => {
    const registry = registryOf({}, { 1: 'damaged', 3: 'damaged' });
    expect(() => registry.resolve('flowers')).toThrow(unavailable(/versions that can be used: none/));
  });
});

describe('a registry', () => {
  test('says how to pull a model that was not pulled', () => {
    const registry = registryOf({});
    registry.setAbsent({ name: 'resnet50.tv_in1k', file: manifest.file });
    expect(() => registry.resolve('resnet50.tv_in1k')).toThrow(
      'get them with "npx menagerie pull resnet50.tv_in1k" (6 MB)',
    );
    expect(() => registry.resolve('resnet50.tv_in1k')).toThrow(expect.objectContaining({ code: 'model_not_pulled' }));
    registry.set({
      name: 'resnet50.tv_in1k',
      origin: 'zoo',
      versions: [version('resnet50.tv_in1k', 1)],
      aliases: {},
      damaged: {},
    });
    expect(registry.resolve('resnet50.tv_in1k').version).toBe(1);
    expect(registry.absent()).toEqual([]);
  });

  test('follows a replaced model at once', () => {
    const registry = registryOf({ [SERVING_ALIAS]: 1 });
    registry.set({ ...registry.get('flowers'), aliases: { [SERVING_ALIAS]: 3 } });
    expect(registry.resolve('flowers').version).toBe(3);
  });
});
