import { expect, test } from 'vitest';
import { embeddedFacts } from '../../../src/acquire/import/embedded-facts.ts';
import { toProperties } from '../../../src/registry/model-properties.ts';
import { readZoo } from '../../../src/registry/zoo.ts';

test('an ONNX model that was exported here says when its detector of unknown images is not imported', async () => {
  const [model] = (await readZoo('zoo')).models;
  if (model === undefined) throw new Error('the zoo is empty');
  const properties = toProperties(model.manifest.file, model.manifest.labels);
  const notesOf = (...outputs: string[]) =>
    embeddedFacts({ properties, zipMap: undefined, outputs, novelty: undefined }).notes.join(' ');
  expect(notesOf('probabilities', 'novelty')).toContain('is not imported. menagerie evaluate --novelty fits a new one');
  expect(notesOf('probabilities')).not.toContain('novelty');
});
