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

/** What stays while one goes from screen to screen. */
export interface Session {
  pictures: readonly Picture[];
  /** Names of models; undefined until somebody has chosen. */
  chosenModels: readonly string[] | undefined;
  readonly draft: Draft;
}

export function createSession(): Session {
  return { pictures: [], chosenModels: undefined, draft: emptyDraft() };
}

export function pictureOf(file: File): Picture {
  return { file, url: URL.createObjectURL(file), answers: new Map() };
}
