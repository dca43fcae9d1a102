import { expect, test } from 'vitest';
import { sortedBy } from '../../../../src/web/screens/zoo/columns.ts';
import { type ZooModel, zooModels } from '../../../../src/web/screens/zoo/zoo-model.ts';
import { createSession } from '../../../../src/web/session.ts';

function facts(id: string, sizeBytes: number, top1?: number) {
  return {
    id,
    title: id,
    recommended: false,
    num_classes: 10,
    num_features: 8,
    parameters: 1,
    input_size: [3, 64, 64],
    license: 'MIT',
    size_bytes: sizeBytes,
    accuracy: top1 === undefined ? [] : [{ dataset: 'x', images: 1, top1 }],
  };
}

const models = zooModels(
  {
    models: [],
    unavailable: [],
    not_pulled: [facts('vgg11.a', 3, 70), facts('wide_resnet50_2.b', 1), facts('resnet18.c', 2, 69.9)],
  },
  [],
);
const ids = (found: readonly ZooModel[]) => found.map((model) => model.facts.id);

test('models are sorted by a column, those without a value last in both directions', () => {
  const session = createSession();
  const by = (descending: boolean) => ids(sortedBy(models, { column: 'Accuracy', descending }, session));
  expect(by(true)).toEqual(['vgg11.a', 'resnet18.c', 'wide_resnet50_2.b']);
  expect(by(false)).toEqual(['resnet18.c', 'vgg11.a', 'wide_resnet50_2.b']);
});

test('architectures of a family are told by their names', () => {
  expect(models.map(({ family }) => family)).toEqual(['VGG', 'ResNet', 'ResNet']);
});
