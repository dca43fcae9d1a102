import { type Draft, draftFile, emptyClass, emptyDraft } from '../../../src/web/draft/draft.ts';

/** A draft of classes with these names and numbers of images. */
export function draft(...classes: readonly (readonly [name: string, count: number])[]): Draft {
  return {
    ...emptyDraft(),
    classes: classes.map(([name, count]) => ({
      ...emptyClass(),
      name,
      pictures: Array.from({ length: count }, () => draftFile(new File(['x'], 'photo.jpg'))),
    })),
  };
}
