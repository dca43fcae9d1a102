import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LabelCatalogue } from '../../src/catalogue/label-catalogue.ts';
import { ClassHierarchies } from '../../src/registry/class-hierarchy.ts';
import { Registry } from '../../src/registry/registry.ts';
import { conceptGraphReader, readZoo } from '../../src/registry/zoo.ts';
import { ask, startServer, type TestServer } from './fixture.ts';

const MODEL = 'resnet18_slim.tiny200';
let server: TestServer;

beforeAll(async () => {
  const registry = new Registry();
  const { models, absent } = await readZoo('zoo');
  for (const model of models) {
    registry.set({ name: model.name, origin: 'zoo', versions: [model], aliases: {}, damaged: {} });
    const manifest = { ...model.manifest, labels: [{ label: 'on' }, { label: 'off' }] };
    const plain = { ...model, name: 'switch', manifest };
    registry.set({ name: 'switch', origin: 'store', versions: [plain], aliases: {}, damaged: {} });
  }
  for (const model of absent) registry.setAbsent(model);
  const hierarchies = new ClassHierarchies(await conceptGraphReader('zoo', (file) => expect.unreachable(file)));
  server = await startServer({ labels: new LabelCatalogue({ registry, hierarchies }) });
});
afterAll(() => server.close());

describe('GET /labels/{synset}', () => {
  it('describes a concept: names, gloss, what is above and below it', async () => {
    const { status, body } = await ask(server, '/labels/n02084071');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      label: 'dog',
      names: ['dog', 'domestic dog', 'Canis familiaris'],
      gloss: expect.stringContaining('domesticated'),
      depth: 13,
      parents: [{ label: 'canine' }, { label: 'domestic animal' }],
      children: expect.arrayContaining([{ synset: 'n02111626', label: 'spitz' }]),
    });
    expect(body).not.toHaveProperty('classes');
  });

  it('knows with a model only what is above its classes, which it names', async () => {
    const { body } = await ask(server, `/labels/n02084071?model=${MODEL}`);
    expect(body).toMatchObject({ model: MODEL, version: 1 });
    expect(JSON.stringify(body)).not.toContain('spitz');
    expect(body).toMatchObject({ classes: expect.arrayContaining([{ index: 24, label: 'Chihuahua' }]) });
  });

  it.each([
    ['n00000000', 404, 'label_not_found', '"n00000000"'],
    ['dog', 404, 'label_not_found', 'such as n02084071'],
    ['n02084071?model=no', 404, 'model_not_found', '"no"'],
    ['n02084071?lang=de', 400, 'invalid_request', 'lang is not an option'],
  ])('answers %s with %i %s', async (path, status, code, detail) => {
    const answer = await ask(server, `/labels/${path}`);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ code, detail: expect.stringContaining(detail) });
  });
});

describe('GET /models/{id}/labels', () => {
  it('lists the classes, and every concept above one with the classes that count for it', async () => {
    const { status, body } = await ask(server, `/models/${MODEL}/labels`);
    const { classes, concepts } = body as unknown as {
      classes: { label: string; synset: string }[];
      concepts: { label: string; synset: string; classes: number[]; children: string[]; parents: string[] }[];
    };
    expect(status).toBe(200);
    expect(classes).toHaveLength(200);
    expect(classes[24]).toEqual({ index: 24, label: 'Chihuahua', synset: 'n02085620' });
    const find = (label: string) => concepts.find((each) => each.label === label);
    expect(find('entity')).toMatchObject({ depth: 0, parents: [], classes: classes.map((_, index) => index) });
    expect(find('Chihuahua')).toMatchObject({ classes: [24], children: [], parents: ['n02085374'] });
    expect(find('spitz')).toBeUndefined();
  });

  it('lists the classes of a model without synsets, and no concepts', async () => {
    const { body } = await ask(server, '/models/switch/labels');
    expect(body).toEqual({
      model: 'switch',
      version: 1,
      classes: [
        { index: 0, label: 'on', synset: null },
        { index: 1, label: 'off', synset: null },
      ],
      concepts: [],
    });
  });

  it('does not know other models', async () => {
    const { status, body } = await ask(server, '/models/no/labels');
    expect([status, body.code]).toEqual([404, 'model_not_found']);
  });
});
