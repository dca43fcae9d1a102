import { readFile } from 'node:fs/promises';
import type { ImageResult } from '../answering/image-classification.ts';
import type { Explanation as ComputedExplanation } from '../answering/image-explanation.ts';
import { AppError } from '../common/errors.ts';
import { messageWithoutPath } from '../common/storage-error.ts';

/** A picture: the bytes of a JPEG, PNG, WebP, GIF, TIFF or AVIF file, or its path. */
export type ImageInput = Uint8Array | string;

/** Name of a runtime: ONNX Runtime, or TensorFlow.js. */
export type Runtime = 'onnx' | 'tfjs';

/** Views of an image over which probabilities are averaged. */
export type Tta = 'flip' | 'five_crop';

/** Options of `classify`. */
export interface ClassifyOptions {
  /** `name`, `name@version` or `name@alias`. Default: the setting `defaultModel`. */
  readonly model?: string;
  /** How many classes to name, at least 1. Default 5. */
  readonly topK?: number;
  /** Classes and concepts with a lower probability are left out, 0 to 1. Default 0 for classes, 0.5 for concepts. */
  readonly threshold?: number;
  /**
   * Whether to sum the probabilities of classes up the hypernyms of WordNet, and to name the most specific concept that
   * is probable enough. Default false.
   */
  readonly hierarchy?: boolean;
  /**
   * Whether to average the probabilities over several views of each image: the image and its mirror image (`flip`,
   * twice the work), or the image and its four corners (`five_crop`, five times). Default: one view.
   */
  readonly tta?: Tta;
  /** Default `onnx`. */
  readonly runtime?: Runtime;
  /** `int8` is computed in 8-bit integers, where the model was quantized. Default `float32`. */
  readonly variant?: 'float32' | 'int8';
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A class and how probable it is. */
export interface Prediction {
  readonly label: string;
  /** Position of the class in the model's outputs, from 0. */
  readonly index: number;
  /** Probability, 0 to 1. */
  readonly score: number;
  /** WordNet synset of the class, such as `n02509815`, if the model knows it. */
  readonly synset?: string | undefined;
  /** With `hierarchy`: the concepts above the class, from its first hypernym to the root. */
  readonly path?: readonly Concept[];
}

/** A concept of WordNet, and how probable it is that the image shows something of it. */
export interface Concept {
  readonly synset: string;
  readonly label: string;
  /** The sum of the probabilities of all classes below it, 0 to 1. */
  readonly score: number;
}

/** The concept that is named for an image. */
export interface NamedConcept extends Concept {
  /** Links of the longest way from the root. */
  readonly depth: number;
  /** The concepts above it, from its first hypernym to the root. */
  readonly path: readonly Concept[];
}

/** What a model says of one image. */
export interface ImageAnswer {
  /** Name of the image: its path, or `image 1` for bytes. */
  readonly image: string;
  readonly model: string;
  readonly version: number;
  /** The most probable classes, the best first; none when the image could not be read. */
  readonly predictions: readonly Prediction[];
  /**
   * With `hierarchy`: the most specific concept whose probability reaches the threshold; null when none does. `dog`,
   * where no breed is probable enough.
   */
  readonly concept?: NamedConcept | null;
  /** True when the image shows none of the classes, as its features say; absent when the model cannot tell. */
  readonly unknown?: boolean;
  /** How unlike the training images it is; above 1 it is unknown. Absent when the model has no detector. */
  readonly novelty?: number;
  /** What is odd about the file although it could be read, such as a JPEG that ends early. */
  readonly warnings: readonly { readonly code: string; readonly detail: string }[];
  /** Why there is no answer; the other images are not affected. */
  readonly error?: AppError;
}

/** Options of `explain`. */
export interface ExplainOptions {
  /** `name`, `name@version` or `name@alias`. Default: the setting `defaultModel`. */
  readonly model?: string;
  /** Label, synset or index of the class. Default: the most probable one. */
  readonly class?: string;
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Options of `drawExplanation`. */
export interface DrawOptions extends ExplainOptions {
  /** Opacity of the heatmap where it is hottest, 0 to 1. Default 0.65. */
  readonly opacity?: number;
}

/** Where an image shows a class. */
export interface Explanation {
  readonly model: string;
  readonly version: number;
  /** `cam` is exact; `grad_cam` is computed where the head is no single layer. */
  readonly method: 'cam' | 'grad_cam';
  /** The class that is explained. */
  readonly prediction: Prediction;
  /** Size of the upright image in pixels. */
  readonly image: { readonly width: number; readonly height: number };
  /** The part of the image that the heatmap covers, in pixels; it may extend beyond the image. */
  readonly crop: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  /** Evidence for the class, row by row: 1 in the hottest cell, 0 in cells without evidence. */
  readonly heatmap: { readonly width: number; readonly height: number; readonly values: Float32Array };
}

/** A file to classify. */
export interface NamedImage {
  readonly filename: string;
  readonly bytes: Uint8Array;
}

/** @param index of the image in its call @throws AppError `no_image` when the file cannot be read */
export async function readImage(image: ImageInput, index: number): Promise<NamedImage> {
  if (typeof image !== 'string') return { filename: `image ${index + 1}`, bytes: image };
  const bytes = await readFile(image).catch((thrown) => {
    throw new AppError('no_image', `${image} cannot be read: ${messageWithoutPath(thrown)}`, { cause: thrown });
  });
  return { filename: image, bytes };
}

export function answerOf(image: string, model: { name: string; version: number }, result: ImageResult): ImageAnswer {
  const { name, version } = model;
  if ('error' in result) return { image, model: name, version, predictions: [], warnings: [], error: result.error };
  const { predictions, concept, unknown, novelty, warnings } = result;
  return {
    image,
    model: name,
    version,
    predictions,
    warnings,
    ...(concept !== undefined && { concept }),
    ...(unknown !== undefined && { unknown }),
    ...(novelty !== undefined && { novelty }),
  };
}

export function explanationOf({ timings: _, ...explanation }: ComputedExplanation): Explanation {
  return explanation;
}
