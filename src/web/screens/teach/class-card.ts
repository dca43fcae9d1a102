import { acceptDrops, pickButton } from '../../components/picture-input.ts';
import { fill, h, icon } from '../../dom.ts';
import { type DraftClass, draftPicture, IMAGE_NAME, MIN_PICTURES } from '../../draft.ts';
import { counted } from '../../format.ts';
import { recordPictures } from './recorder.ts';

/** Images on a card; more would slow the page down. */
const SHOWN_PICTURES = 12;

export interface ClassCardOptions {
  readonly number: number;
  readonly onChange: () => void;
  readonly onRemove: (() => void) | undefined;
  /** Called with a zip that was dropped on the class. */
  readonly onZip: (file: File) => void;
}

/** A class of the draft: its name, its images, and buttons to add some. */
export function classCard(draft: DraftClass, { number, onChange, onRemove, onZip }: ClassCardOptions): HTMLElement {
  const strip = h('ul', { class: 'strip' });
  const tally = h('span', { class: 'muted small', role: 'status' });
  const name = h('input', {
    type: 'text',
    value: draft.name,
    placeholder: `Class ${number}`,
    'aria-label': `Name of class ${number}`,
    maxlength: 80,
    autocomplete: 'off',
  });
  name.addEventListener('input', () => {
    draft.name = name.value;
    onChange();
  });

  const draw = (): void => {
    const { pictures } = draft;
    // The last place shows how many more there are.
    const shown = pictures.length > SHOWN_PICTURES ? pictures.slice(1 - SHOWN_PICTURES) : pictures;
    fill(
      strip,
      shown.map((picture) => {
        const image = h('img', { src: picture.url, alt: '', decoding: 'async' });
        const { name: file } = picture.file;
        const remove = h(
          'button',
          { type: 'button', class: 'shot', 'aria-label': `Remove ${file}`, title: `Remove ${file}` },
          image,
        );
        remove.addEventListener('click', () => {
          draft.pictures = draft.pictures.filter((each) => each !== picture);
          URL.revokeObjectURL(picture.url);
          draw();
          onChange();
        });
        return h('li', {}, remove);
      }),
      pictures.length > shown.length && h('li', { class: 'more muted small' }, `+ ${pictures.length - shown.length}`),
    );
    const missing = MIN_PICTURES - pictures.length;
    fill(
      tally,
      missing > 0 ? `${counted(pictures.length, 'image')}, ${missing} more needed` : counted(pictures.length, 'image'),
    );
  };

  const add = (files: readonly File[]): void => {
    const zip = files.find(isZip);
    if (zip) {
      onZip(zip);
      return;
    }
    draft.pictures = [...draft.pictures, ...files.filter(isImage).map(draftPicture)];
    draw();
    onChange();
  };
  const record = h('button', { type: 'button' }, icon('camera'), 'Record');
  record.addEventListener('click', () => recordPictures(draft.name || `class ${number}`, (file) => add([file])));
  const card = h(
    'li',
    { class: 'panel class-card' },
    h(
      'div',
      { class: 'class-name' },
      name,
      onRemove &&
        h(
          'button',
          {
            type: 'button',
            class: 'quiet square',
            'aria-label': `Remove class ${draft.name || number}`,
            onclick: onRemove,
          },
          icon('trash'),
        ),
    ),
    strip,
    h(
      'div',
      { class: 'row spread' },
      h('div', { class: 'row' }, pickButton('Add images', { onFiles: add }), record),
      tally,
    ),
  );
  acceptDrops(card, add);
  draw();
  return card;
}

export function isZip({ name, type }: File): boolean {
  return type === 'application/zip' || type === 'application/x-zip-compressed' || /\.zip$/i.test(name);
}

/** Whether a file is an image; a dropped folder may hold other files. */
export function isImage({ name, type }: File): boolean {
  return type.startsWith('image/') || IMAGE_NAME.test(name);
}
