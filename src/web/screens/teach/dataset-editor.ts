import { acceptPastes, folderOf } from '../../components/drops.ts';
import { pickButton } from '../../components/picture-input.ts';
import { showToast } from '../../components/toast.ts';
import { fill, h, icon } from '../../dom.ts';
import { type Draft, type DraftClass, type DraftFile, draftFile, emptyClass, isEmpty } from '../../draft/draft.ts';
import {
  addPictures,
  addToSomeClass,
  changeClass,
  removeAll,
  removeClass,
  removePictures,
  removeZip,
} from '../../draft/edits.ts';
import type { DraftHolder } from '../../draft/holder.ts';
import { bytes, counted } from '../../format.ts';
import { type ClassCard, classCard } from './class-card.ts';
import { encodingChoice } from './encoding-choice.ts';
import { removals } from './removals.ts';
import { sorted } from './sorted-files.ts';

/** Where the user puts images into classes. */
export interface DatasetEditor {
  readonly element: HTMLElement;
  /** Adds files that were given to no class. */
  take(files: readonly File[]): void;
  /** Shows the draft from now on. @returns a function that ends it */
  start(): () => void;
  /** Ends recordings. */
  close(): void;
}

/** A class needs at least one other. */
const MIN_CARDS = 2;

/** @param inspect called when there is a zip, which the server should look at */
export function datasetEditor(drafts: DraftHolder, inspect: () => void): DatasetEditor {
  const cards = new Map<string, ClassCard>();
  const remove = removals(drafts);
  let shownZip: DraftFile | undefined;
  const list = h('ul', { class: 'class-cards' });
  const element = h('div', { class: 'block dataset' });
  const clear = h('button', { type: 'button', class: 'quiet' }, 'Start anew');
  clear.addEventListener('click', () => remove(removeAll(drafts.current)));
  const add = h('button', { type: 'button' }, icon('add'), 'Add class');
  add.addEventListener('click', () => {
    drafts.edit(({ classes }) => ({ classes: [...classes, emptyClass()] }));
    list.querySelector<HTMLInputElement>(':scope > li:last-child input[type=text]')?.focus();
  });

  const classOf = (id: string): DraftClass | undefined => drafts.current.classes.find((each) => each.id === id);

  /** Adds files that were given to a class, or to none. */
  const take = (files: readonly File[], id?: string): void => {
    const { zip, images, others } = sorted(files);
    const { zip: present } = drafts.current;
    if (zip !== undefined) {
      drafts.edit(() => ({ zip: draftFile(zip), encoding: '', synsets: {} }));
      inspect();
    } else if (present !== undefined && images.length > 0) {
      showToast(`“${present.file.name}” has all the images. Remove it to add others.`);
    } else if (id !== undefined) {
      if (images.length > 0) drafts.edit(addPictures(id, images.map(draftFile)));
      if (others !== undefined) showToast(others);
    } else takeAnywhere(images, others);
  };

  /** Makes a class of each folder, and says where the images are now. */
  const takeAnywhere = (images: readonly File[], others: string | undefined): void => {
    const added: DraftFile[] = [];
    for (const folder of new Set(images.map(folderOf))) {
      const files = images.filter((file) => folderOf(file) === folder).map(draftFile);
      drafts.edit(addToSomeClass(folder, files));
      added.push(...files);
    }
    if (added.length === 0) {
      if (others !== undefined) showToast(others);
      return;
    }
    const ids = new Set(added.map(({ id }) => id));
    const owners = drafts.current.classes.filter(({ pictures }) => pictures.some(({ id }) => ids.has(id)));
    const place = owners.length === 1 ? nameOf(drafts.current, owners[0]) : counted(owners.length, 'class', 'classes');
    showToast([`Added ${counted(added.length, 'image')} to ${place}.`, others].filter(Boolean).join(' '), {
      label: 'Undo',
      run: () => {
        for (const owner of owners) drafts.edit(removePictures(owner, ids).edit);
      },
    });
  };

  const cardOf = (id: string): ClassCard => {
    const known = cards.get(id);
    if (known) return known;
    const card = classCard({
      rename: (name) => drafts.edit(changeClass(id, () => ({ name }))),
      add: (files) => take(files, id),
      removePictures: (pictures) => {
        const owner = classOf(id);
        if (owner) remove(removePictures(owner, new Set(pictures.map((each) => each.id))), id);
      },
      remove: () => {
        const owner = classOf(id);
        if (owner) remove(removeClass(drafts.current, owner));
      },
      onRecord: close,
    });
    cards.set(id, card);
    return card;
  };

  const close = (): void => {
    for (const card of cards.values()) card.close();
  };

  const draw = (): void => {
    const draft = drafts.current;
    const { classes, zip } = draft;
    clear.hidden = isEmpty(draft);
    for (const [id, card] of cards) {
      if (zip === undefined && classes.some((each) => each.id === id)) continue;
      card.close();
      cards.delete(id);
    }
    if (zip !== undefined) {
      if (shownZip !== zip) fill(element, zipSummary(zip, draft.encoding), h('div', { class: 'row' }, clear));
      shownZip = zip;
      return;
    }
    shownZip = undefined;
    const elements = classes.map((each, index) => {
      const card = cardOf(each.id);
      card.update(each, index + 1, classes.length > MIN_CARDS);
      return card.element;
    });
    // Elements that are moved lose the focus, so only a change of the list draws it.
    if (elements.length !== list.childElementCount || elements.some((each, index) => list.children[index] !== each))
      fill(list, elements);
    if (list.parentElement !== element) fill(element, list, h('div', { class: 'row' }, add, clear), whole);
  };

  const zipSummary = (zip: DraftFile, encoding: string): HTMLElement =>
    h(
      'div',
      { class: 'panel row spread' },
      h('p', {}, h('strong', {}, zip.file.name), h('span', { class: 'muted' }, ` ${bytes(zip.file.size)}`)),
      encodingChoice(encoding, (chosen) => {
        drafts.edit(() => ({ encoding: chosen }));
        inspect();
      }),
      h('button', { type: 'button', onclick: () => remove(removeZip(drafts.current)) }, 'Remove'),
    );

  const whole = h(
    'div',
    { class: 'drop row' },
    h('span', { class: 'muted' }, 'Already sorted? Drop a zip or folders here, with one folder per class.'),
    pickButton('Choose zip', { onFiles: (files) => take(files), zips: true }),
  );
  return {
    element,
    take: (files) => take(files),
    close,
    start() {
      const stopDrafts = drafts.watch(draw);
      const stopPastes = acceptPastes((files) => {
        // Where the focus or the pointer is.
        const target = [...cards].find(([, card]) => card.element.matches(':focus-within'))?.[0];
        take(files, target ?? [...cards].find(([, card]) => card.element.matches(':hover'))?.[0]);
      });
      draw();
      return () => {
        stopDrafts();
        stopPastes();
      };
    },
  };
}

function nameOf({ classes }: Draft, owner: DraftClass | undefined): string {
  if (owner === undefined) return 'a class';
  return owner.name === '' ? `class ${classes.indexOf(owner) + 1}` : `“${owner.name}”`;
}
