import { setMaxListeners } from 'node:events';
import type { Preprocessing } from '../image/crop.ts';
import type { DecodeTurn } from '../image/decode.ts';
import type { PreprocessedImage } from '../image/preprocess.ts';
import type { ImageTimings } from '../metrics/metrics.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { AnswerName, RuntimeName } from '../runtime/session.ts';
import type { Admission } from '../serving/admission.ts';
import type { Batcher, OutputRows } from '../serving/batcher.ts';
import type { DecodeQueue } from '../serving/decode-queue.ts';

/** One uploaded file. */
export interface UploadedImage {
  /** To be shown; never a path. */
  readonly filename: string;
  readonly bytes: Uint8Array;
  /** Called when `bytes` are no longer needed, if their memory is lent; maybe more than once. */
  readonly release?: () => void;
}

/** Dependencies of `ImagePipeline`. */
export interface ImagePipelineParts {
  /** Loads the model and keeps it loaded until `work` has settled. */
  readonly use: <T>(
    model: ModelVersion,
    runtime: RuntimeName,
    work: (queue: Pick<Batcher, 'submit'>) => Promise<T>,
  ) => Promise<T>;
  readonly preprocess: (bytes: Uint8Array, recipe: Preprocessing, turn: DecodeTurn) => Promise<PreprocessedImage>;
  readonly admission: Pick<Admission, 'admit'>;
  readonly decoding: Pick<DecodeQueue, 'turn'>;
  /** Called after each image that was computed, for metrics. */
  readonly onImage: (model: ModelVersion, runtime: RuntimeName, timings: ImageTimings) => void;
  /** Called after each image that could not be computed although its client waited, with the milliseconds it took. */
  readonly onFailure?: (model: ModelVersion, ms: number) => void;
}

/** A request for images to be computed by one model. */
export interface PipelineRequest<Image> {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  readonly images: readonly Image[];
  /** Runs of the model for each image, which count as so many images in flight; 1 when absent. */
  readonly views?: number;
  /** Aborted when the client is gone: what waits is dropped, what runs ends by itself. */
  readonly signal: AbortSignal;
}

/** The outputs to compute for an image. */
export interface Wanted {
  readonly outputs: readonly AnswerName[];
  /** The class that the output `explanation` is about; the most probable one when absent. */
  readonly explainedClass?: number | undefined;
}

/** An image's row of each output that was asked for. */
export interface ComputedImage {
  readonly outputs: OutputRows;
  readonly timings: ImageTimings;
}

/** The rows of several views of an image. */
export interface ComputedViews {
  readonly outputs: readonly OutputRows[];
  readonly timings: ImageTimings;
}

/** The steps of the pipeline, for the images of one request. */
export interface PipelineSteps {
  /**
   * Decodes a file and prepares it for the model, or by another recipe. `decodeMs` includes the wait for its turn.
   */
  preprocess(bytes: Uint8Array, recipe?: Preprocessing): Promise<PreprocessedImage & { readonly decodeMs: number }>;
  /** Computes outputs of prepared pixels. */
  compute(pixels: Uint8Array, decodeMs: number, wanted: Wanted): Promise<ComputedImage>;
  /**
   * Computes outputs of several views of one image, in their order. The timings are those of the image: of the view that
   * waited and of the one that ran longest.
   */
  computeViews(views: readonly Uint8Array[], decodeMs: number, wanted: Wanted): Promise<ComputedViews>;
  /** Queues other decoding of the same request. */
  readonly turn: DecodeTurn;
}

/** Admission -> decode -> preprocess -> batcher -> engine, for the images of a request. */
export class ImagePipeline {
  readonly #parts: ImagePipelineParts;

  constructor(parts: ImagePipelineParts) {
    this.#parts = parts;
  }

  /**
   * Calls `work` for all images at once and settles when all calls have settled: until then the images count as in
   * flight and the model stays loaded. When one call fails, what waits for the others is dropped.
   * @returns the results, in the order of the images
   * @throws AppError `queue_full`, `model_unavailable`, ...; the first error of `work`; the signal's reason
   */
  async run<Image, Result>(
    { model, runtime, images, views = 1, signal }: PipelineRequest<Image>,
    work: (image: Image, steps: PipelineSteps) => Promise<Result>,
  ): Promise<Result[]> {
    const leave = this.#parts.admission.admit(images.length * views);
    const stop = new AbortController();
    // Each image listens while it waits.
    setMaxListeners(0, stop.signal);
    const forward = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', forward, { once: true });
    if (signal.aborted) forward();
    try {
      return await this.#whenLoaded(model, runtime, stop.signal, async (queue) => {
        const steps = this.#steps(model, runtime, queue, images.length, stop.signal);
        const settled = await Promise.allSettled(
          images.map(async (image) => {
            try {
              return await work(image, steps);
            } catch (thrown) {
              stop.abort(thrown);
              throw thrown;
            }
          }),
        );
        stop.signal.throwIfAborted();
        return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      });
    } finally {
      signal.removeEventListener('abort', forward);
      leave();
    }
  }

  /** Like `use`, but a request that is aborted while the model is being loaded does not wait for it. */
  #whenLoaded<T>(
    model: ModelVersion,
    runtime: RuntimeName,
    signal: AbortSignal,
    work: (queue: Pick<Batcher, 'submit'>) => Promise<T>,
  ): Promise<T> {
    let loaded = false;
    const aborted = new Promise<never>((_, reject) => {
      const drop = (): void => {
        if (!loaded) reject(signal.reason);
      };
      if (signal.aborted) drop();
      else signal.addEventListener('abort', drop, { once: true });
    });
    const used = this.#parts.use(model, runtime, (queue) => {
      signal.throwIfAborted();
      loaded = true;
      return work(queue);
    });
    return Promise.race([used, aborted]);
  }

  #steps(
    model: ModelVersion,
    runtime: RuntimeName,
    queue: Pick<Batcher, 'submit'>,
    images: number,
    signal: AbortSignal,
  ): PipelineSteps {
    const priority = images === 1 ? 'interactive' : 'bulk';
    const turn = this.#parts.decoding.turn({ priority, signal });
    const computeViews: PipelineSteps['computeViews'] = async (views, decodeMs, { outputs, explainedClass }) => {
      const item = { priority, signal, outputs, explainedClass } as const;
      const submittedAt = performance.now();
      const computed = await Promise.all(views.map((pixels) => queue.submit(pixels, item))).catch((thrown) => {
        if (!signal.aborted) this.#parts.onFailure?.(model, decodeMs + performance.now() - submittedAt);
        throw thrown;
      });
      const most = (of: (view: (typeof computed)[number]) => number): number => Math.max(...computed.map(of));
      const timings = {
        decodeMs,
        queueMs: most(({ queueMs }) => queueMs),
        inferenceMs: most(({ inferenceMs }) => inferenceMs),
        batchSize: most(({ batchSize }) => batchSize),
      };
      this.#parts.onImage(model, runtime, timings);
      return { outputs: computed.map((view) => view.outputs), timings };
    };
    return {
      turn,
      preprocess: async (bytes, recipe = model.manifest.preprocessing) => {
        signal.throwIfAborted();
        const start = performance.now();
        const image = await this.#parts.preprocess(bytes, recipe, turn);
        return { ...image, decodeMs: performance.now() - start };
      },
      compute: async (pixels, decodeMs, wanted) => {
        const { outputs, timings } = await computeViews([pixels], decodeMs, wanted);
        return { outputs: outputs[0] ?? {}, timings };
      },
      computeViews,
    };
  }
}

/** An output of a computed image. Throws when the engine did not answer with it. */
export function outputOf({ outputs }: Pick<ComputedImage, 'outputs'>, name: AnswerName): Float32Array {
  const values = outputs[name];
  if (values === undefined) throw new Error(`the engine did not answer with ${name}`);
  return values;
}
