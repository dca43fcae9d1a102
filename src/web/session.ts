import type { ImageClasses, ImageFailure } from './api/schema.ts';
import { type Draft, emptyDraft } from './draft.ts';

/** A picture that somebody has given, and what the models have said of it. */
export interface Picture {
  readonly file: File;
  /** An address of the browser for the file, to be shown. */
  readonly url: string;
  /** By the model that was asked. */
  readonly answers: Map<string, PictureAnswer>;
}

/** What a model said of a picture, or why it said nothing. */
export type PictureAnswer =
  | { readonly state: 'answered'; readonly result: ImageClasses; readonly version: number }
  | { readonly state: 'refused'; readonly result: ImageFailure }
  | { readonly state: 'failed'; readonly error: unknown };

/** How fast a model answers this page, network and decoding included. */
export interface Speed {
  /** The middle of some requests, one after the other, in milliseconds. */
  readonly aloneMs: number;
  /** Of that what the network of the model took. */
  readonly inferenceMs: number;
  /** With several requests at once. */
  readonly perSecond: number;
}

/** What stays while one goes from screen to screen. */
export interface Session {
  pictures: readonly Picture[];
  /** Names of models; undefined until somebody has chosen. */
  chosenModels: readonly string[] | undefined;
  readonly draft: Draft;
  /** What was measured of models, by their ids. */
  readonly speeds: Map<string, Speed>;
  /** Models that are being pulled. */
  readonly pulls: Set<string>;
}

export function createSession(): Session {
  return { pictures: [], chosenModels: undefined, draft: emptyDraft(), speeds: new Map(), pulls: new Set() };
}

export function pictureOf(file: File): Picture {
  return { file, url: URL.createObjectURL(file), answers: new Map() };
}
