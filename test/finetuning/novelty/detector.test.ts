import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { writeOnnx } from '../../../src/convert/formats/onnx/emitter.ts';
import { writeTfjs } from '../../../src/convert/formats/tfjs/emitter.ts';
import { normalize } from '../../../src/convert/graph/ir.ts';
import { attachNovelty, withNovelty, writeNovelty } from '../../../src/convert/transfer/novelty.ts';
import type { Samples } from '../../../src/finetuning/features/feature-set.ts';
import { type FittedDetector, fitDetector, noveltyScores } from '../../../src/finetuning/novelty/detector.ts';
import { layerNormalized } from '../../../src/finetuning/novelty/layer-normalization.ts';
import { principalDirections } from '../../../src/finetuning/novelty/principal-directions.ts';
import { separationOf } from '../../../src/finetuning/novelty/separation.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { runOnnx, runTfjs } from '../../convert/runtimes.ts';
import { smallGraph } from '../../convert/small-graph.ts';

const DIMENSION = 12;
const CENTERS = [0, 1, 2].map((label) => Float32Array.from({ length: DIMENSION }, (_, j) => (j % 4 === label ? 3 : 0)));

/** Features around a centre for each class; unknown ones are around a centre of their own. */
function features(center: Float32Array, count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from(
    { length: count * DIMENSION },
    (_, i) => (center[i % DIMENSION] ?? 0) + 0.4 * random.normal(),
  );
}

function samples(perClass: number, seed: number): Samples {
  const parts = CENTERS.map((center, label) => features(center, perClass, seed + label));
  return {
    features: Float32Array.from(parts.flatMap((part) => [...part])),
    labels: Int32Array.from({ length: 3 * perClass }, (_, row) => Math.floor(row / perClass)),
  };
}

const OTHERS = features(
  Float32Array.from({ length: DIMENSION }, (_, j) => (j % 4 === 3 ? 3 : 0)),
  60,
  9,
);

describe('a detector of unknown images', () => {
  let tf: TensorFlow;
  let detector: FittedDetector;
  beforeAll(async () => {
    ({ tf } = await loadTensorFlow({ threads: 1 }));
    detector = fitDetector(tf, samples(60, 1), new Float32Array(), 0);
  });

  it('accepts about 95 % of images that it has not seen', () => {
    const novelty = noveltyScores(tf, detector, samples(200, 50).features);
    const accepted = novelty.filter((value) => value <= 1).length / novelty.length;
    expect(accepted).toBeGreaterThan(0.91);
    expect(accepted).toBeLessThan(0.99);
  });

  it.each([4, 6, 10])('accepts 95 of 100 new images with %i of each of two classes too', (perClass) => {
    const shares = Array.from({ length: 12 }, (_, seed) => {
      const of = (count: number, stream: number): Samples => {
        const { features: all } = samples(count, 1000 * seed + stream);
        const labels = Int32Array.from({ length: 2 * count }, (__, row) => Math.floor(row / count));
        return { features: all.slice(0, 2 * count * DIMENSION), labels };
      };
      const few = fitDetector(tf, of(perClass, 1), new Float32Array(), 0);
      const novelty = noveltyScores(tf, few, of(100, 500).features);
      return novelty.filter((value) => value <= 1).length / novelty.length;
    });
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(mean).toBeGreaterThan(0.92);
    expect(mean).toBeLessThan(0.985);
  });

  it('knows pictures again that are all alike, and no others', () => {
    const [one = new Float32Array(), two = new Float32Array()] = CENTERS.map((center) => features(center, 1, 31));
    const alike = { features: Float32Array.from([...one, ...one, ...one, ...two, ...two, ...two]) };
    const same = fitDetector(tf, { ...alike, labels: Int32Array.of(0, 0, 0, 1, 1, 1) }, new Float32Array(), 0);
    const rounded = one.map((value, i) => value * (1 + 1e-5 * (i % 3)));
    expect(Math.max(...noveltyScores(tf, same, rounded))).toBeLessThan(1);
    expect(Math.min(...noveltyScores(tf, same, OTHERS))).toBeGreaterThan(1);
  });

  it('calls images of another class unknown', () => {
    expect(Math.min(...noveltyScores(tf, detector, OTHERS))).toBeGreaterThan(1);
    const known = noveltyScores(tf, detector, samples(60, 50).features);
    expect(separationOf(known, noveltyScores(tf, detector, OTHERS)).auroc).toBeGreaterThan(0.999);
  });

  it('does not depend on the scale of the features', () => {
    const { features: once } = samples(5, 70);
    const tenfold = once.map((value) => 10 * value);
    noveltyScores(tf, detector, tenfold).forEach((value, row) => {
      expect(value).toBeCloseTo(noveltyScores(tf, detector, once)[row] ?? 0, 3);
    });
  });

  it('takes a lower threshold where images of other things are near', () => {
    const near = features(CENTERS[0]?.map((value) => 0.75 * value + 0.5) ?? new Float32Array(), 60, 13);
    const tuned = fitDetector(tf, samples(60, 1), near, 0);
    expect(tuned.threshold).toBeLessThanOrEqual(detector.threshold);
    const novelty = noveltyScores(tf, tuned, samples(200, 50).features);
    expect(novelty.filter((value) => value <= 1).length / novelty.length).toBeGreaterThan(0.85);
  });

  it('finds the directions in which features vary most', () => {
    // Two directions of known variance: the eigenvectors of the covariance are the axes.
    const random = seededRandom(3);
    const rows = Float32Array.from({ length: 3 * 500 }, (_, i) => ([4, 1, 0.1][i % 3] ?? 0) * random.normal());
    const { vectors, variances, total } = principalDirections(tf, rows, 3, 2, 0);
    expect(Math.abs(vectors[0] ?? 0)).toBeGreaterThan(0.99);
    expect(Math.abs(vectors[4] ?? 0)).toBeGreaterThan(0.99);
    // The squares of the deviations, up to the chance of 500 samples.
    expect((variances[0] ?? 0) / 16).toBeCloseTo(1, 0);
    expect(total / 17).toBeCloseTo(1, 0);
  });

  it('is computed by ONNX Runtime and TensorFlow.js as it was fitted', async () => {
    const graph = smallGraph([4, 4], (x) => normalize('n', x, [0.5, 0.4, 0.3], [0.2, 0.2, 0.2]));
    const pictures = new Uint8Array(3 * 4 * 4 * 3).map((_, i) => (i * 37) % 256);
    const folder = join(tmpdir(), `novelty-${process.pid}-${Date.now()}`);
    const path = `${folder}.safetensors`;
    const random = seededRandom(5);
    const three = Float32Array.from({ length: 90 }, () => random.normal());
    const fitted = fitDetector(
      tf,
      { features: three, labels: Int32Array.from({ length: 30 }, (_, i) => i % 2) },
      new Float32Array(),
      0,
    );
    try {
      await writeNovelty({ ...fitted, layers: 1 }, path);
      await withNovelty(path, async (tensors) => {
        const complete = attachNovelty(graph, tensors);
        await writeOnnx(complete, `${folder}.onnx`);
        await writeTfjs(complete, folder);
      });
      const input = { data: pictures, shape: [3, 4, 4, 3] };
      const onnx = await runOnnx(`${folder}.onnx`, input);
      const tfjs = await runTfjs(join(folder, 'model.json'), input);
      const expected = noveltyScores(tf, fitted, onnx.features.data);
      expected.forEach((value, row) => {
        expect(onnx.novelty?.data[row]).toBeCloseTo(value, 3);
        expect(tfjs.novelty?.data[row]).toBeCloseTo(value, 3);
      });
      expect(onnx.novelty?.shape).toEqual([3, 1]);
    } finally {
      for (const each of [path, `${folder}.onnx`, folder]) await rm(each, { recursive: true, force: true });
    }
  });
});

it('normalises each row over its values', () => {
  const rows = layerNormalized(Float32Array.of(1, 3, 10, 10), 2);
  expect([...rows]).toEqual([expect.closeTo(-1), expect.closeTo(1), 0, 0]);
});
