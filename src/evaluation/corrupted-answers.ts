import { createHash } from 'node:crypto';
import { type ImagePipeline, outputOf } from '../answering/image-pipeline.ts';
import { topK } from '../answering/postprocess.ts';
import { CORRUPTIONS, type CorruptionKind, corrupt, SEVERITIES } from '../image/corruptions/corrupt.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';

/** Corrupted images that are made of one. */
export const CORRUPTED_PER_IMAGE = CORRUPTIONS.length * SEVERITIES.length;
/** Corrupted images of one that are computed at once: those of a severity. */
export const CORRUPTED_AT_ONCE = CORRUPTIONS.length;

/** A model and an image to be corrupted. */
export interface CorruptionRequest {
  readonly model: ModelVersion;
  readonly runtime: RuntimeName;
  /** A file that can be read. */
  readonly bytes: Uint8Array;
  readonly signal: AbortSignal;
}

/** The model's answer to a corrupted image. */
export interface AnswerToCorrupted extends CorruptionKind {
  /** Index of the most probable class. */
  readonly predicted: number;
  /** Its probability. */
  readonly confidence: number;
}

/**
 * Corrupts an image in every way at every severity, as the model sees it, and computes the answers.
 * @param onAnswer called for each, in no fixed order
 */
export async function answerCorrupted(
  pipeline: Pick<ImagePipeline, 'run'>,
  { model, runtime, bytes, signal }: CorruptionRequest,
  onAnswer: (answer: AnswerToCorrupted) => void,
): Promise<void> {
  // The pixels are those that the report of a fine-tune tests for the same file.
  const key = createHash('sha256').update(bytes).digest('hex');
  const [height, width] = model.manifest.preprocessing.inputSize;
  await pipeline.run({ model, runtime, images: [bytes], views: CORRUPTED_AT_ONCE, signal }, async (file, steps) => {
    const { pixels, decodeMs } = await steps.preprocess(file);
    for (const severity of SEVERITIES) {
      await Promise.all(
        CORRUPTIONS.map(async (corruption) => {
          const corrupted = await corrupt({ pixels, width, height }, { corruption, severity }, key);
          const computed = await steps.compute(corrupted, decodeMs, { outputs: ['probabilities'] });
          const [first] = topK(outputOf(computed, 'probabilities'), 1);
          onAnswer({ corruption, severity, predicted: first?.index ?? 0, confidence: first?.score ?? 0 });
        }),
      );
    }
  });
}
