import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { writeOnnx } from '../../../src/convert/formats/onnx/emitter.ts';
import { activation, conv2d, type MapNode, normalize } from '../../../src/convert/graph/ir.ts';
import { calibrate, observeLayers } from '../../../src/convert/quantize/calibration.ts';
import { writeQuantizedOnnx } from '../../../src/convert/quantize/emitter.ts';
import { attachNovelty, withNovelty, writeNovelty } from '../../../src/convert/transfer/novelty.ts';
import { fitDetector } from '../../../src/finetuning/novelty/detector.ts';
import { openOnnxValues } from '../../../src/runtime/onnx-evaluation.ts';
import { loadTensorFlow } from '../../../src/runtime/tensorflow.ts';
import { constantWeight } from '../constant-weight.ts';
import { runOnnx } from '../runtimes.ts';
import { smallGraph } from '../small-graph.ts';

const SIZE = 12;
const CHANNELS = 16;
const random = seededRandom(8);

/** Noise around a colour. */
function pictures(count: number, color: readonly [number, number, number]): Uint8Array[] {
  const value = (i: number) => Math.max(0, Math.min(255, (color[i % 3] ?? 0) + 45 * random.normal()));
  return Array.from({ length: count }, () => Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, i) => value(i)));
}

/** Features that weights drawn at random give. */
function body(x: MapNode): MapNode {
  const drawn = (name: string, shape: readonly number[]) =>
    constantWeight(
      name,
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    );
  const scaled = normalize('n', x, [0.5, 0.5, 0.5], [0.3, 0.3, 0.3]);
  const weight = drawn('c.weight', [CHANNELS, 3, 3, 3]);
  return activation('r', conv2d('c', scaled, { weight, bias: drawn('c.bias', [CHANNELS]), padding: 1 }), 'relu');
}

it('a model in 8-bit integers has its detector, which agrees with that in floats about most images', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'menagerie-int8-novelty-'));
  try {
    const { tf } = await loadTensorFlow({ threads: 1 });
    const graph = smallGraph([SIZE, SIZE], body);
    const path = join(folder, 'model.onnx');
    await writeOnnx(graph, path);
    const known = [...pictures(60, [200, 60, 60]), ...pictures(60, [60, 60, 200])];
    const ask = (file: string, images: Uint8Array[]) =>
      runOnnx(file, {
        data: Uint8Array.from(images.flatMap((each) => [...each])),
        shape: [images.length, SIZE, SIZE, 3],
      });
    const { features } = await ask(path, known);
    const labels = Int32Array.from(known, (_, index) => Number(index >= 60));
    const detector = fitDetector(tf, { features: features.data as Float32Array, labels }, new Float32Array(), 0);
    const detectorPath = join(folder, 'novelty.safetensors');
    await writeNovelty({ ...detector, layers: 1 }, detectorPath);
    await withNovelty(detectorPath, async (tensors) => {
      const complete = attachNovelty(graph, tensors);
      const images = (async function* () {
        yield* known.slice(0, 80);
      })();
      const statistics = await observeLayers(complete, images, join(folder, 'observed.onnx'), openOnnxValues);
      await writeOnnx(complete, join(folder, 'float.onnx'));
      await writeQuantizedOnnx(complete, calibrate(complete, statistics, 'mse'), join(folder, 'int8.onnx'));
    });
    const asked = [...pictures(50, [200, 60, 60]), ...pictures(50, [60, 60, 200]), ...pictures(50, [60, 200, 60])];
    const unknown = async (file: string): Promise<boolean[]> => {
      const { novelty } = await ask(join(folder, file), asked);
      return Array.from(novelty?.data ?? [], (value) => Number(value) > 1);
    };
    const [float, int8] = [await unknown('float.onnx'), await unknown('int8.onnx')];
    expect(int8).toHaveLength(asked.length);
    expect(float.slice(100).every(Boolean)).toBe(true);
    expect(float.filter((each) => !each).length).toBeGreaterThan(85);
    expect(int8.filter((each, index) => each === float[index]).length).toBeGreaterThan(0.9 * asked.length);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
