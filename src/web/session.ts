import type { ImageClasses, ImageFailure } from './api/schema.ts';
import type { Workshop } from './workshop.ts';

/** An image to classify, with the results so far. */
export interface SessionPicture {
  readonly file: File;
  /** An object URL of the file. */
  readonly url: string;
  /** By the id of the model. */
  readonly answers: Map<string, PictureAnswer>;
}

/** The result of a model for an image. */
export type PictureAnswer =
  | { readonly state: 'answered'; readonly result: ImageClasses; readonly version: number }
  | { readonly state: 'refused'; readonly result: ImageFailure }
  | { readonly state: 'failed'; readonly error: unknown };

/** The speed of a model as this page measures it, with network and decoding. */
export interface Speed {
  /** The median time of requests one after the other, in milliseconds. */
  readonly aloneMs: number;
  /** The share of inference in it, in milliseconds. */
  readonly inferenceMs: number;
  /** Images per second with several requests at once. */
  readonly perSecond: number;
}

/** State that is kept between screens. */
export interface Session {
  pictures: readonly SessionPicture[];
  /** Ids of models; undefined until the user has chosen. */
  chosenModels: readonly string[] | undefined;
  /** Undefined until a screen about teaching was opened. */
  workshop: Workshop | undefined;
  /** By the id of the model. */
  readonly speeds: Map<string, Speed>;
  /** Ids of the models that are being pulled. */
  readonly pulls: Set<string>;
}

export function createSession(): Session {
  return { pictures: [], chosenModels: undefined, workshop: undefined, speeds: new Map(), pulls: new Set() };
}

export function pictureOf(file: File): SessionPicture {
  return { file, url: URL.createObjectURL(file), answers: new Map() };
}
