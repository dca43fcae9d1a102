import { SPLITS, type Split } from './split-names.ts';

/** What is compared to find copies. */
export interface Comparable {
  readonly label: string;
  readonly split: Split | undefined;
  readonly pixelDigest: string;
}

/** Groups of exact copies: images with the same pixels. A group may be both conflicting and leaking. */
export interface Duplicates<T extends Comparable> {
  /** With one label, in one split. */
  readonly harmless: readonly (readonly T[])[];
  /** With several labels. */
  readonly conflicting: readonly (readonly T[])[];
  /** In several of the splits that the data set gives. */
  readonly leaking: readonly (readonly T[])[];
  /** Copies that must not be used: all conflicting ones, and leaking ones outside the strictest split. */
  readonly excluded: ReadonlySet<T>;
}

/** Groups images that are copies of each other, by the problem that they cause. */
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
