import { describe, expect, test } from 'vitest';
import type { Draft } from '../../../src/web/draft/draft.ts';
import {
  addToSomeClass,
  changeClass,
  type Edit,
  movePicture,
  removeAll,
  removeClass,
  removePictures,
} from '../../../src/web/draft/edits.ts';
import { draft } from './drafts.ts';

function edited(before: Draft, ...edits: Edit[]): Draft {
  let now = before;
  for (const edit of edits) now = { ...now, ...edit(now) };
  return now;
}

const names = ({ classes }: Draft) => classes.map(({ name }) => name);

describe('a removal', () => {
  test('of images says how many, and is taken back to where they were', () => {
    const before = draft(['cat', 4], ['dog', 4]);
    const [cats] = before.classes;
    if (cats === undefined) throw new Error('no class');
    const ids = new Set([cats.pictures[0]?.id ?? '', cats.pictures[2]?.id ?? '']);
    const removal = removePictures(cats, ids);
    expect(removal.what(removal.pictures)).toBe('2 images of “cat”');
    const without = edited(before, removal.edit);
    expect(without.classes[0]?.pictures).toEqual([cats.pictures[1], cats.pictures[3]]);
    expect(edited(without, removal.undo)).toEqual(before);
  });

  test('of a class is taken back with its images, and keeps what was edited meanwhile', () => {
    const before = draft(['cat', 3], ['dog', 4], ['bird', 2]);
    const [, dogs, birds] = before.classes;
    if (dogs === undefined || birds === undefined) throw new Error('no class');
    const removal = removeClass(before, dogs);
    expect(removal.what(removal.pictures)).toBe('“dog” with 4 images');
    const renamed = edited(
      before,
      removal.edit,
      changeClass(birds.id, () => ({ name: 'parrot' })),
    );
    expect(names(renamed)).toEqual(['cat', 'parrot']);
    const restored = edited(renamed, removal.undo);
    expect(names(restored)).toEqual(['cat', 'dog', 'parrot']);
    expect(restored.classes[1]).toEqual(dogs);
  });

  test('of an image and then of its class are taken back in any order', () => {
    const before = draft(['cat', 3], ['dog', 4], ['bird', 2]);
    const [cats] = before.classes;
    if (cats === undefined) throw new Error('no class');
    const image = removePictures(cats, new Set([cats.pictures[1]?.id ?? '']));
    const without = edited(before, image.edit);
    const [rest] = without.classes;
    if (rest === undefined) throw new Error('no class');
    const whole = removeClass(without, rest);
    expect(edited(without, whole.edit, whole.undo, image.undo)).toEqual(before);
    const back = edited(without, whole.edit, image.undo, whole.undo);
    expect(names(back)).toEqual(names(before));
    expect(new Set(back.classes[0]?.pictures)).toEqual(new Set(cats.pictures));
  });

  test('of everything is taken back beside what was begun since', () => {
    const before = draft(['cat', 3], ['dog', 4]);
    const removal = removeAll(before);
    expect(removal.what(removal.pictures)).toBe('the draft with 7 images');
    const emptied = edited(before, removal.edit);
    expect(names(emptied)).toEqual(['', '']);
    const [first] = emptied.classes;
    const begun = edited(
      emptied,
      changeClass(first?.id ?? '', () => ({ name: 'bird' })),
    );
    expect(names(edited(begun, removal.undo))).toEqual(['cat', 'dog', 'bird']);
  });
});

describe('images that were given to no class', () => {
  const pictures = draft(['', 2]).classes[0]?.pictures ?? [];
  const counts = ({ classes }: Draft) => classes.map((each) => [each.name, each.pictures.length]);

  test.each([
    [
      'the class of the name of their folder',
      'dog',
      draft(['', 0], ['dog', 1]),
      [
        ['', 0],
        ['dog', 3],
      ],
    ],
    [
      'an empty class, which gets the name',
      'dog',
      draft(['cat', 1], ['', 0]),
      [
        ['cat', 1],
        ['dog', 2],
      ],
    ],
    [
      'an empty class',
      undefined,
      draft(['cat', 1], ['', 0]),
      [
        ['cat', 1],
        ['', 2],
      ],
    ],
    [
      'a new class rather than one with a name',
      undefined,
      draft(['cat', 0], ['dog', 1]),
      [
        ['cat', 0],
        ['dog', 1],
        ['', 2],
      ],
    ],
  ])('go to %s', (_, folder, before, expected) => {
    expect(counts(edited(before, addToSomeClass(folder, pictures)))).toEqual(expected);
  });
});

describe('a move of an image', () => {
  const before = draft(['cat', 3], ['dog', 2]);
  const [cats, dogs] = before.classes;
  const picture = cats?.pictures[1];
  if (cats === undefined || dogs === undefined || picture === undefined) throw new Error('no image');
  const { edit, undo } = movePicture(cats, dogs, picture);
  const moved = edited(before, edit);

  test('puts it last in the other class, and is taken back to where it was', () => {
    expect(moved.classes[0]?.pictures).toEqual([cats.pictures[0], cats.pictures[2]]);
    expect(moved.classes[1]?.pictures).toEqual([...dogs.pictures, picture]);
    expect(edited(moved, undo)).toEqual(before);
  });

  test('leaves it there when its class has been removed since', () => {
    const without = edited(moved, removeClass(moved, cats).edit);
    expect(edited(without, undo)).toEqual(without);
  });
});
