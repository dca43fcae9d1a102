import { expect, it } from 'vitest';
import { evaluateCandidate } from '../../../src/finetuning/search/evaluate-candidate.ts';
import { drawCandidates } from '../../../src/finetuning/search/space.ts';
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
  const [candidate] = drawCandidates({
    backbones: ['one'],
    few,
    copies: 0,
    mirrored: false,
    layers: undefined,
    fixed: few ? {} : { epochs: 20 },
    seed: 1,
  });
  if (candidate === undefined) throw new Error('there is a candidate');
  expect(candidate.solved).toBe(few);
  const input = { candidate, features: data, classes: 3, folds: 3, seed: 1, fixed: few ? {} : { epochs: 20 } };
  const { accuracy, spread, right } = await evaluateCandidate(tf, input);
  expect(right).toHaveLength(30);
  expect(accuracy).toBeGreaterThan(0.8);
  expect(spread).toBeLessThan(0.2);
  expect(await evaluateCandidate(tf, input)).toEqual({ accuracy, spread, right });
});
