import { counted } from '../format.ts';
import { type Draft, type DraftClass, type DraftFile, emptyClass, pictureCount } from './draft.ts';

/** The parts of the next draft that differ. */
export type Edit = (draft: Draft) => Partial<Omit<Draft, 'version'>>;

/** A removal that can be taken back, also after other edits. */
export interface Removal {
  /** How many images it removes. */
  readonly pictures: number;
  /** What it removes, for example `30 images of “cats”`. @param pictures several removals of a kind are told as one */
  readonly what: (pictures: number) => string;
  readonly edit: Edit;
  readonly undo: Edit;
}

export function changeClass(id: string, change: (known: DraftClass) => Partial<DraftClass>): Edit {
  return ({ classes }) => ({
    classes: classes.map((known) => (known.id === id ? { ...known, ...change(known) } : known)),
  });
}

export function addPictures(id: string, files: readonly DraftFile[]): Edit {
  return changeClass(id, ({ pictures }) => ({ pictures: [...pictures, ...files] }));
}

/**
 * Adds images that were given to no class: to the class that is called as their folder, else to the first empty one, else
 * to a new one.
 * @param folder that the images were in
 */
export function addToSomeClass(folder: string | undefined, files: readonly DraftFile[]): Edit {
  return ({ classes }) => {
    const named = folder === undefined ? undefined : classes.find(({ name }) => name === folder);
    const empty = classes.find(({ name, pictures }) => name === '' && pictures.length === 0);
    const target = named ?? empty ?? emptyClass();
    const all = classes.includes(target) ? classes : [...classes, target];
    const name = folder ?? target.name;
    return {
      classes: all.map((each) => (each === target ? { ...each, name, pictures: [...each.pictures, ...files] } : each)),
    };
  };
}

/** @param ids of images of the class */
export function removePictures(owner: DraftClass, ids: ReadonlySet<string>): Removal {
  const removed = [...owner.pictures.entries()].filter(([, { id }]) => ids.has(id));
  return {
    pictures: removed.length,
    what: (pictures) => `${counted(pictures, 'image')}${owner.name === '' ? '' : ` of “${owner.name}”`}`,
    edit: changeClass(owner.id, ({ pictures }) => ({ pictures: pictures.filter(({ id }) => !ids.has(id)) })),
    undo: (draft) => {
      // The class may have been removed since: its images come back with it, or before it.
      const classes = draft.classes.some(({ id }) => id === owner.id)
        ? draft.classes
        : [...draft.classes, { ...owner, pictures: [] }];
      const comeBack = changeClass(owner.id, ({ pictures }) => ({ pictures: restored(pictures, removed) }));
      return comeBack({ ...draft, classes });
    },
  };
}

/** Moves an image to another class of the draft. Taken back, it is where it was, if that class is still there. */
export function movePicture(from: DraftClass, to: DraftClass, picture: DraftFile): Pick<Removal, 'edit' | 'undo'> {
  const { edit: leave, undo: comeBack } = removePictures(from, new Set([picture.id]));
  const unmoved = changeClass(to.id, ({ pictures }) => ({ pictures: pictures.filter(({ id }) => id !== picture.id) }));
  const back = both(unmoved, comeBack);
  return {
    edit: both(leave, addPictures(to.id, [picture])),
    undo: (draft) => (draft.classes.some(({ id }) => id === from.id) ? back(draft) : {}),
  };
}

function both(first: Edit, second: Edit): Edit {
  return (draft) => {
    const between = { ...draft, ...first(draft) };
    return { ...between, ...second(between) };
  };
}

export function removeClass({ classes }: Draft, owner: DraftClass): Removal {
  const place = classes.indexOf(owner);
  const name = owner.name === '' ? 'a class' : `“${owner.name}”`;
  return {
    pictures: owner.pictures.length,
    what: (pictures) => (pictures === 0 ? name : `${name} with ${counted(pictures, 'image')}`),
    edit: (draft) => ({ classes: draft.classes.filter(({ id }) => id !== owner.id) }),
    undo: (draft) => {
      const since = draft.classes.find(({ id }) => id === owner.id)?.pictures ?? [];
      const known = new Set(owner.pictures.map(({ id }) => id));
      const pictures = [...owner.pictures, ...since.filter(({ id }) => !known.has(id))];
      return { classes: restored(draft.classes, [[place, { ...owner, pictures }]]) };
    },
  };
}

/** Empties the draft. The options stay. */
export function removeAll({ classes, zip, encoding, synsets }: Draft): Removal {
  return {
    pictures: pictureCount({ classes }),
    what: (pictures) => `the draft with ${zip === undefined ? counted(pictures, 'image') : `“${zip.file.name}”`}`,
    edit: () => ({ classes: [emptyClass(), emptyClass()], zip: undefined, encoding: '', synsets: {} }),
    undo: (draft) => {
      const since = draft.classes.filter(({ name, pictures: own }) => name !== '' || own.length > 0);
      return { classes: [...classes, ...since], zip: draft.zip ?? zip, encoding, synsets };
    },
  };
}

export function removeZip({ zip, encoding, synsets }: Draft): Removal {
  return {
    pictures: 0,
    what: () => `“${zip?.file.name ?? ''}”`,
    edit: () => ({ zip: undefined, encoding: '', synsets: {} }),
    undo: () => ({ zip, encoding, synsets }),
  };
}

/** Puts members back where they were, as far as the list has not changed since. */
function restored<T extends { readonly id: string }>(
  list: readonly T[],
  removed: readonly (readonly [place: number, member: T])[],
): readonly T[] {
  const next = list.filter(({ id }) => !removed.some(([, member]) => member.id === id));
  for (const [place, member] of removed) next.splice(place, 0, member);
  return next;
}
