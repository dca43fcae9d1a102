import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { quantizeModel } from '../../src/convert/quantize/quantize-model.ts';
import { openCalibrationImages } from '../../src/quantizing/calibration-images.ts';
import { type Compute, compareAnswers } from '../../src/quantizing/comparison.ts';
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
    '%s loses no more accuracy than by the quantizer of ONNX Runtime, and passes the checker of ONNX',
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

      const answers = async (path: string) => {
        const models = [await openOnnxValues(float), await openOnnxValues(path)];
        const [exact, rounded] = models.map(
          ({ compute }): Compute =>
            async (image) => {
              const values = (await compute(image, ['probabilities'])).get('probabilities');
              if (values === undefined) throw new Error('there are no probabilities');
              return values;
            },
        );
        if (exact === undefined || rounded === undefined) throw new Error('there are two models');
        const found = await compareAnswers({ float: exact, rounded }, comparison.read(), () => {});
        for (const model of models) await model.close();
        return {
          accuracy: found.accuracy?.rounded ?? 0,
          float: found.accuracy?.float ?? 1,
          agreement: found.agreement,
        };
      };
      const [mine, other] = [await answers(ours), await answers(theirs)];
      await close();
      // Of 872 images, half a point is four: what rounding does to single images is chance.
      expect(mine.accuracy).toBeGreaterThanOrEqual(other.accuracy - 0.005);
      expect(mine.accuracy).toBeGreaterThanOrEqual(mine.float - 0.005);
      expect(mine.agreement).toBeGreaterThanOrEqual(other.agreement - 0.005);
    },
  );
});
