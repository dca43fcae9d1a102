import { expect, it } from 'vitest';
import { evaluateCandidate } from '../../../src/finetuning/search/evaluate-candidate.ts';
import { candidatesOf } from '../../../src/finetuning/search/space.ts';
import { loadTensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from '../head/blobs.ts';

it.each([true, false])('cross-validates a head on the training images alone (solved for: %s)', async (few) => {
  const { tf } = await loadTensorFlow({ threads: 1 });
  const shape = { classes: 3, dimension: 6, distance: 5 };
  const { features, labels } = blobs({ ...shape, perClass: 10, seed: 1 });
  const wrong = blobs({ ...shape, perClass: 10, seed: 2 });
  const data = {
    layers: [{ name: 'features', size: 6 }],
    train: { set: { name: 'features', dimension: 6, originals: features }, labels },
    // Would mislead whoever looked at them.
    validation: { ...wrong, labels: wrong.labels.map((label) => (label + 1) % 3) },
    test: { ...wrong, labels: wrong.labels.map((label) => (label + 1) % 3) },
    testNames: [],
  };
  const fixed = few ? {} : { epochs: 60 };
  const rung = { images: 30, folds: few ? 30 : 3, solved: few };
  const [candidate] = candidatesOf('one', rung, { copies: 0, layers: undefined, fixed });
  if (candidate === undefined) throw new Error('there is a candidate');
  const input = { candidate, features: data, classes: 3, folds: 3, seed: 1, fixed, penalties: [0.1, 1] };
  const { accuracy, right, ...rest } = await evaluateCandidate(tf, input);
  expect(right).toHaveLength(30);
  expect(accuracy).toBeGreaterThan(0.8);
  expect(await evaluateCandidate(tf, input)).toEqual({ accuracy, right, ...rest });
});
