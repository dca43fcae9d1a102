import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { quantizeModel } from '../../src/convert/quantize/quantize-model.ts';
import { openCalibrationImages } from '../../src/quantizing/calibration-images.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';
import { openOnnxValues } from '../../src/runtime/onnx-evaluation.ts';
import { sharedPath } from '../shared-data.ts';

/** It needs Python: `pip install onnx onnxruntime`, and `PYTHON` where it is not the first one. */
const python = process.env['PYTHON'] ?? 'python3';
const run = promisify(execFile);
const hasQuantizer = await run(python, ['-c', 'import onnx, onnxruntime.quantization']).then(
  () => true,
  () => false,
);
const images = sharedPath('data', 'tiny-val.zip');
const skipped = !hasQuantizer
  ? `: skipped, ${python} has no onnxruntime.quantization; PYTHON names another interpreter`
  : images === undefined
    ? ': skipped, there is no ../shared/data/tiny-val.zip'
    : '';

const folder = await mkdtemp(join(tmpdir(), 'menagerie-quantizer-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(skipped !== '')(`on the same calibration images${skipped}`, () => {
  test.each(['resnet18_slim', 'vgg11_bn_slim', 'inception_v1_slim'])(
    '%s stays nearer to floats than by the quantizer of ONNX Runtime, and passes the checker of ONNX',
    { timeout: 600_000 },
    async (architecture) => {
      const own = join(folder, architecture);
      await mkdir(own);
      const zoo = join('zoo', `${architecture}.tiny200`);
      const labels = JSON.parse(await readFile('zoo/labels/tiny200.json', 'utf8')).classes;
      const { file, preprocessing } = parseManifest(await readFile(join(zoo, 'manifest.json'), 'utf8'), () => labels);
      const { inputSize } = preprocessing;
      const source = {
        weightsPath: join(zoo, file.weights.file),
        architecture: file.architecture,
        inputSize,
        mean: file.mean,
        std: file.std,
      };
      const float = (await convertModel(source, join(own, 'float'))).onnx.path;
      const options = { path: images ?? '', labels, preprocessing, maxImagePixels: 1e7 };
      const { calibration, comparison, close } = await openCalibrationImages(options);
      const seen: Uint8Array[] = [];
      const pixels = (async function* () {
        for await (const image of calibration.read()) {
          seen.push(image.pixels);
          yield image.pixels;
        }
      })();
      const ours = await quantizeModel({ source, images: pixels, method: 'mse', open: openOnnxValues }, own);
      await writeFile(join(own, 'pixels'), Buffer.concat(seen));
      const theirs = join(own, 'theirs.onnx');
      const script = 'test/quantizing/onnxruntime_quantizer.py';
      await run(python, [script, float, join(own, 'pixels'), ...inputSize.map(String), theirs, ours]);

      const models = await Promise.all([float, ours, theirs].map((path) => openOnnxValues(path)));
      const logitsOf = (pixels: Uint8Array) =>
        Promise.all(models.map(async ({ compute }) => (await compute(pixels, ['logits'])).get('logits') ?? never()));
      const [mine, other] = [new Losses(), new Losses()];
      let [count, onlyMineRight, onlyOtherRight] = [0, 0, 0];
      for await (const { pixels, index } of comparison.read()) {
        const [exact = never(), own = never(), reference = never()] = await logitsOf(pixels);
        const [mineRight, otherRight] = [mine.add(exact, own, index), other.add(exact, reference, index)];
        count += 1;
        onlyMineRight += mineRight && !otherRight ? 1 : 0;
        onlyOtherRight += otherRight && !mineRight ? 1 : 0;
      }
      await Promise.all([...models.map((model) => model.close()), close()]);
      // The squared error tells quantizers apart: of six draws of calibration images, the two ranges of it do not meet.
      expect(mine.squaredError).toBeLessThan(other.squaredError);
      // Of 872 images, half a point is four.
      expect(mine.agreeing).toBeGreaterThanOrEqual(other.agreeing - 0.005 * count);
      expect(mine.gained - mine.lost).toBeGreaterThanOrEqual(-0.005 * count);
      // Each wins some images by chance, about as many as separate two draws of the same quantizer: no more than that.
      expect(chanceOfAtLeast(onlyOtherRight, onlyMineRight + onlyOtherRight)).toBeGreaterThan(0.05);
    },
  );
});

/** What a rounded model loses, over all images. */
class Losses {
  /** Sum over the images of the mean squared error of logits, up to a constant, which no probability depends on. */
  squaredError = 0;
  /** Images with the same first class as in floats. */
  agreeing = 0;
  /** Images that are right in floats only, and those that are right after rounding only. */
  lost = 0;
  gained = 0;

  /** @returns whether the rounded model is right */
  add(exact: Float32Array, rounded: Float32Array, index: number | undefined): boolean {
    const errors = exact.map((value, at) => (rounded[at] ?? never()) - value);
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    this.squaredError += errors.reduce((sum, error) => sum + (error - mean) ** 2, 0) / errors.length;
    const [before, after] = [exact, rounded].map((logits) => logits.indexOf(Math.max(...logits)));
    this.agreeing += before === after ? 1 : 0;
    this.lost += before === index && after !== index ? 1 : 0;
    this.gained += before !== index && after === index ? 1 : 0;
    return after === index;
  }
}

/** The chance that a fair coin shows heads in `heads` or more of some tosses: the exact test of McNemar, one-sided. */
function chanceOfAtLeast(heads: number, tosses: number): number {
  let [probability, total] = [0.5 ** tosses, 0];
  for (let count = 0; count <= tosses; count += 1) {
    if (count >= heads) total += probability;
    probability *= (tosses - count) / (count + 1);
  }
  return total;
}

function never(): never {
  throw new Error('a model gave no logits');
}
