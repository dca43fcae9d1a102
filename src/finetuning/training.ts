import { loadTensorFlow, type TensorFlow } from '../runtime/tensorflow.ts';
import { openImageSource } from './dataset/dataset.ts';
import type { ImageSource } from './dataset/image-source.ts';
import type { TextEncoding } from './dataset/text-encoding.ts';
import { type OnProgress, PhaseClock } from './training-progress.ts';

/** Threads of the native TensorFlow.js backend: the other cores are for requests. */
const THREADS = 1;

/** What the report of a version tells about how it was computed. */
export interface Computed {
  /** Name of the TensorFlow.js backend, and versions of the libraries that computed. */
  readonly backend: { readonly name: string; readonly libraries: Readonly<Record<string, string>> };
  /** Duration of each phase in seconds. */
  readonly durations: Readonly<Record<string, number>>;
}

/** What a process holds while it trains a model, be it from labels or from the answers of another model. */
export interface Training {
  readonly source: ImageSource;
  /** Reports progress, and measures the phases. */
  readonly onProgress: OnProgress;
  /** Computes something while TensorFlow.js loads: the other core has little to do then. */
  besideTensorFlow<T extends { readonly onnxRuntimeVersion: string }>(
    computing: Promise<T>,
  ): Promise<{ readonly extracted: T; readonly tf: TensorFlow; readonly computed: () => Computed }>;
}

/** Opens the images of a training, and closes them when it ends. @throws AppError when they cannot be read */
export async function withTraining<T>(
  { datasetPath, encoding }: { readonly datasetPath: string; readonly encoding?: TextEncoding | undefined },
  report: OnProgress,
  use: (training: Training) => Promise<T>,
): Promise<T> {
  const clock = new PhaseClock();
  const onProgress: OnProgress = (progress) => {
    clock.enter(progress.phase);
    report(progress);
  };
  onProgress({ phase: 'reading' });
  const source = await openImageSource(datasetPath, encoding);
  try {
    return await use({
      source,
      onProgress,
      besideTensorFlow: async (computing) => {
        const [extracted, { tf, backend }] = await Promise.all([computing, loadTensorFlow({ threads: THREADS })]);
        const libraries = {
          'onnxruntime-node': extracted.onnxRuntimeVersion,
          '@tensorflow/tfjs-core': tf.version_core,
        };
        return {
          extracted,
          tf,
          computed: () => ({ backend: { name: backend, libraries }, durations: clock.seconds() }),
        };
      },
    });
  } finally {
    await source.close();
  }
}
