import { digestFile } from '../common/file-digest.ts';
import type { ConversionSource } from '../convert/convert-model.ts';
import { quantizeModel } from '../convert/quantize/quantize-model.ts';
import type { CalibrationMethod } from '../convert/quantize/ranges.ts';
import type { Preprocessing } from '../image/crop.ts';
import type { Label } from '../registry/manifest.ts';
import { openOnnxValues } from '../runtime/onnx-evaluation.ts';
import { type CalibrationImages, openCalibrationImages } from './calibration-images.ts';
import { type Compute, compareAnswers, compareSpeed, PAIRS } from './comparison.ts';
import type { Quantization } from './quantization-record.ts';

/** Input of a quantization; plain data. */
export interface QuantizationTask {
  readonly source: ConversionSource;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly Label[];
  /** A folder or zip of images. */
  readonly imagesPath: string;
  readonly maxImagePixels: number;
  readonly method: CalibrationMethod;
  /** The model in floats, for the comparison. */
  readonly float: { readonly path: string; readonly size: number };
  /** An existing folder for `model.onnx`. */
  readonly folder: string;
}

/** How far a quantization is. */
export interface QuantizationProgress {
  readonly phase: 'calibrating' | 'comparing' | 'timing';
  readonly done: number;
  readonly total: number;
}

/**
 * Makes a model in 8-bit integers and compares it with the one in floats. Meant for a process of its own.
 * @throws AppError `dataset_too_small` and others when the images cannot be used
 */
export async function quantizeAndCompare(
  task: QuantizationTask,
  onProgress: (progress: QuantizationProgress) => void,
): Promise<Quantization> {
  const images = await openCalibrationImages({ ...task, path: task.imagesPath });
  try {
    const { calibration } = images;
    const step = stepper('calibrating', calibration.count, onProgress);
    let calibrated = 0;
    const pixels = (async function* () {
      for await (const image of calibration.read()) {
        yield image.pixels;
        calibrated += 1;
        step();
      }
    })();
    const path = await quantizeModel({ ...task, images: pixels, open: openOnnxValues }, task.folder);
    const { sha256, size } = await digestFile(path);
    return {
      made_at: new Date().toISOString(),
      method: task.method,
      sha256,
      size_bytes: size,
      float_size_bytes: task.float.size,
      calibration_images: calibrated,
      ...(await compare(task, path, images, onProgress)),
    };
  } finally {
    await images.close();
  }
}

async function compare(
  { float: { path } }: QuantizationTask,
  quantizedPath: string,
  { comparison }: CalibrationImages,
  onProgress: (progress: QuantizationProgress) => void,
) {
  const [float, int8] = [await openOnnxValues(path), await openOnnxValues(quantizedPath)];
  const models = { float: probabilitiesOf(float), rounded: probabilitiesOf(int8) };
  try {
    const step = stepper('comparing', comparison.count, onProgress);
    const { images, agreement, largestDifference, accuracy } = await compareAnswers(models, comparison.read(), step);
    for await (const { pixels } of comparison.read()) {
      const speed = await compareSpeed(models, pixels, PAIRS, stepper('timing', PAIRS, onProgress));
      return {
        images,
        agreement,
        max_probability_difference: largestDifference,
        accuracy: accuracy ? { images: accuracy.images, float: accuracy.float, int8: accuracy.rounded } : null,
        speed: { float_ms: speed.floatMs, int8_ms: speed.roundedMs, ratio: speed.ratio },
      };
    }
    throw new Error('no image can be read any more');
  } finally {
    await Promise.all([float.close(), int8.close()]);
  }
}

function probabilitiesOf(model: Awaited<ReturnType<typeof openOnnxValues>>): Compute {
  return async (pixels) => {
    const probabilities = (await model.compute(pixels, ['probabilities'])).get('probabilities');
    if (probabilities === undefined) throw new Error('the model gave no probabilities');
    return probabilities;
  };
}

/** Counts the steps of a phase. */
function stepper(
  phase: QuantizationProgress['phase'],
  total: number,
  onProgress: (progress: QuantizationProgress) => void,
): () => void {
  let done = 0;
  onProgress({ phase, done, total });
  return () => {
    done += 1;
    onProgress({ phase, done: Math.min(done, total), total });
  };
}
