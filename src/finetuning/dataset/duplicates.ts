import { SPLITS, type Split } from './dataset-layout.ts';

/** What duplicates are told by. */
export interface Comparable {
  readonly label: string;
  readonly split: Split | undefined;
  readonly pixelDigest: string;
}

/** Groups of images that show the same picture, pixel by pixel. A group may both conflict and leak. */
export interface Duplicates<T extends Comparable> {
  /** Copies under one label on one side. */
  readonly harmless: readonly (readonly T[])[];
  /** Copies under several labels. */
  readonly conflicting: readonly (readonly T[])[];
  /** Copies in several of the data set's own splits. */
  readonly leaking: readonly (readonly T[])[];
  /** Members that must not be used: all of a conflict, and of a leak those outside its strictest split. */
  readonly excluded: ReadonlySet<T>;
}

/** Sorts images that are copies of each other by the harm they do. */
export function duplicatesOf<T extends Comparable>(images: readonly T[]): Duplicates<T> {
  const groups = new Map<string, T[]>();
  for (const image of images) {
    const group = groups.get(image.pixelDigest);
    if (group === undefined) groups.set(image.pixelDigest, [image]);
    else group.push(image);
  }
  const copies = [...groups.values()].filter((group) => group.length > 1);
  const several = (group: readonly T[], key: 'label' | 'split') => new Set(group.map((image) => image[key])).size > 1;
  const conflicting = copies.filter((group) => several(group, 'label'));
  const leaking = copies.filter((group) => several(group, 'split'));
  return {
    harmless: copies.filter((group) => !several(group, 'label') && !several(group, 'split')),
    conflicting,
    leaking,
    excluded: new Set([...conflicting.flat(), ...leaking.flatMap(outsideStrictest)]),
  };
}

function outsideStrictest<T extends Comparable>(group: readonly T[]): T[] {
  const strictness = ({ split }: T): number => (split === undefined ? 0 : SPLITS.indexOf(split));
  const strictest = Math.max(...group.map(strictness));
  return group.filter((image) => strictness(image) < strictest);
}
