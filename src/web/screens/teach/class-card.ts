import { acceptDrops } from '../../components/drops.ts';
import { pickButton } from '../../components/picture-input.ts';
import { fill, h, icon } from '../../dom.ts';
import { type DraftClass, type DraftFile, MIN_PICTURES } from '../../draft/draft.ts';
import { counted } from '../../format.ts';
import { type Recorder, recorder } from './recorder.ts';

/** Images on a card until all are asked for; more would slow the page down. */
const SHOWN_PICTURES = 12;

/** A class of the draft: its name, its images, and ways to add some. */
export interface ClassCard {
  readonly element: HTMLElement;
  /** @param number its place, from 1 @param isRemovable whether it may be removed */
  update(shown: DraftClass, number: number, isRemovable: boolean): void;
  /** Ends a recording. */
  close(): void;
}

export interface ClassCardActions {
  readonly rename: (name: string) => void;
  readonly add: (files: readonly File[]) => void;
  /** Removes one image, or all. */
  readonly removePictures: (pictures: readonly DraftFile[]) => void;
  readonly remove: () => void;
  /** Called before the camera opens: one class records at a time. */
  readonly onRecord: () => void;
}

export function classCard(actions: ClassCardActions): ClassCard {
  let shown: DraftClass = { id: '', name: '', pictures: [] };
  let called = '';
  let showAll = false;
  let recording: Recorder | undefined;
  const shots = new Map<string, HTMLElement>();

  const name = h('input', { type: 'text', maxlength: 80, autocomplete: 'off' });
  name.addEventListener('input', () => actions.rename(name.value));
  const remove = h('button', { type: 'button', class: 'quiet square', onclick: actions.remove }, icon('trash'));
  const strip = h('ul', { class: 'strip' });
  const empty = h(
    'p',
    { class: 'drop-here muted' },
    icon('pictures'),
    'Drop images here, paste them, or use the buttons below',
  );
  const tally = h('span', { class: 'muted small', role: 'status' });
  const camera = h('div', { class: 'recorder-place' });
  const pick = pickButton('Add images', { onFiles: actions.add });
  const pickName = pick.querySelector('button');
  const record = h('button', { type: 'button' });
  const removeAll = h('button', { type: 'button', class: 'quiet compact' }, 'Remove all');
  removeAll.addEventListener('click', () => actions.removePictures(shown.pictures));

  const nameRecord = (): void =>
    record.setAttribute('aria-label', `${recording === undefined ? 'Record' : 'Close camera of'} ${called}`);
  const drawRecord = (): void => {
    if (recording === undefined) fill(record, icon('camera'), 'Record');
    else fill(record, icon('close'), 'Close camera');
    record.setAttribute('aria-expanded', String(recording !== undefined));
    nameRecord();
  };
  const stopRecording = (): void => {
    recording?.close();
    recording = undefined;
    fill(camera);
    drawRecord();
  };
  record.addEventListener('click', () => {
    if (recording !== undefined) return stopRecording();
    actions.onRecord();
    recording = recorder((file) => actions.add([file]));
    fill(camera, recording.element);
    drawRecord();
  });

  const shotOf = (picture: DraftFile): HTMLElement => {
    const known = shots.get(picture.id);
    if (known) return known;
    const { name: file } = picture.file;
    const button = h('button', {
      type: 'button',
      class: 'shot',
      'aria-label': `Remove ${file}`,
      title: `Remove ${file}`,
    });
    fill(button, thumbnail(picture.file));
    button.addEventListener('click', () => actions.removePictures([picture]));
    const shot = h('li', {}, button);
    shots.set(picture.id, shot);
    return shot;
  };

  const more = h('button', { type: 'button', class: 'quiet compact' });
  more.addEventListener('click', () => {
    showAll = true;
    drawStrip();
    strip.querySelector('button')?.focus();
  });

  const drawStrip = (): void => {
    const { pictures } = shown;
    const few = pictures.length <= SHOWN_PICTURES || showAll;
    // The last place shows how many more there are. The newest are shown: they can be checked while recording.
    const visible = few ? pictures : pictures.slice(1 - SHOWN_PICTURES);
    fill(more, `+ ${pictures.length - visible.length}`);
    more.setAttribute('aria-label', `Show all ${pictures.length} images of ${shown.name || 'this class'}`);
    fill(strip, visible.map(shotOf), !few && h('li', { class: 'more' }, more));
    strip.classList.toggle('all', showAll);
    strip.hidden = pictures.length === 0;
    empty.hidden = pictures.length > 0;
    for (const id of shots.keys()) if (!pictures.some((picture) => picture.id === id)) shots.delete(id);
  };

  const element = h(
    'li',
    { class: 'panel class-card' },
    h('div', { class: 'class-name' }, name, remove),
    h('div', { class: 'place' }, empty, strip),
    camera,
    h('div', { class: 'row' }, pick, record),
    h('div', { class: 'row spread' }, tally, removeAll),
  );
  acceptDrops(element, actions.add);
  stopRecording();
  return {
    element,
    close: stopRecording,
    update(next, number, isRemovable) {
      const changed = next.pictures !== shown.pictures;
      shown = next;
      called = next.name || `class ${number}`;
      if (name.value !== next.name) name.value = next.name;
      name.placeholder = `Class ${number}`;
      name.setAttribute('aria-label', `Name of class ${number}`);
      remove.hidden = !isRemovable;
      remove.setAttribute('aria-label', `Remove class ${called}`);
      pickName?.setAttribute('aria-label', `Add images to ${called}`);
      nameRecord();
      removeAll.setAttribute('aria-label', `Remove all images of ${called}`);
      removeAll.hidden = next.pictures.length < 2;
      const missing = MIN_PICTURES - next.pictures.length;
      const many = counted(next.pictures.length, 'image');
      const words = missing > 0 ? `${many}, ${missing} more needed` : many;
      if (tally.textContent !== words) fill(tally, words);
      if (changed || strip.hidden === empty.hidden) drawStrip();
    },
  };
}

/** A small image, or its kind where the browser cannot show it, such as HEIC. */
function thumbnail(file: File): HTMLElement {
  const url = URL.createObjectURL(file);
  const image = h('img', { src: url, alt: '', decoding: 'async', draggable: 'false' });
  const kind = file.name.split('.').at(-1) ?? '';
  image.addEventListener('load', () => URL.revokeObjectURL(url), { once: true });
  image.addEventListener('error', () => {
    URL.revokeObjectURL(url);
    image.replaceWith(h('span', { class: 'small' }, kind.toUpperCase().slice(0, 5)));
  });
  return image;
}
