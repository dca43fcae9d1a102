import { showToast } from '../../components/toast.ts';
import { fill, h, icon } from '../../dom.ts';
import { className, type Draft, type DraftClass, type DraftFile, pictureCount } from '../../draft/draft.ts';
import { movePicture, removePictures } from '../../draft/edits.ts';
import type { DraftHolder } from '../../draft/holder.ts';
import { idInDraft } from '../../draft/pack.ts';
import { removals } from '../teach/removals.ts';
import { fileName } from './picture.ts';

/** An image with a wrong answer, by the names in the report. */
export interface WrongAnswer {
  readonly image: string;
  readonly label: string;
  readonly predicted: string;
}

/** Ways to correct the draft where the report finds wrong labels. */
export interface Corrections {
  /** What can be done about wrong answers, and the way to the next training. */
  get advice(): HTMLElement;
  /** Buttons which move the image of a wrong answer to the class that was answered, or remove it. */
  controls(answer: WrongAnswer): HTMLElement;
  close(): void;
}

/** Where an image is in the draft now. */
interface Found {
  readonly owner: DraftClass;
  readonly picture: DraftFile;
}

export function corrections(drafts: DraftHolder): Corrections {
  const remove = removals(drafts);
  /** What is drawn again with each change of the draft. */
  const drawn = new Map<HTMLElement, () => void>();
  let isOpen = false;
  let openedVersion = 0;

  const drawAll = (): void => {
    for (const [place, draw] of drawn) {
      if (place.isConnected) draw();
      else drawn.delete(place);
    }
  };
  const placeOf = (attributes: { readonly class: string }, draw: (place: HTMLElement) => void): HTMLElement => {
    const place = h('div', attributes);
    drawn.set(place, () => draw(place));
    if (isOpen) draw(place);
    return place;
  };

  const move = ({ owner, picture }: Found, to: DraftClass): void => {
    const { edit, undo } = movePicture(owner, to, picture);
    drafts.edit(edit);
    showToast(`Moved ${picture.file.name} to “${to.name}”.`, { label: 'Undo', run: () => drafts.edit(undo) });
  };

  const drawControls = (place: HTMLElement, { image, label, predicted }: WrongAnswer): void => {
    const draft = drafts.current;
    const found = find(draft, image);
    const name = fileName(image);
    if (found === undefined) {
      fill(place, pictureCount(draft) > 0 && h('span', { class: 'small muted' }, 'Not in the draft'));
      return;
    }
    const { owner, picture } = found;
    if (className(owner.name) !== label) {
      fill(place, h('span', { class: 'small' }, 'Now in ', h('strong', {}, owner.name || 'a class without a name')));
      return;
    }
    const to = draft.classes.find((each) => className(each.name) === predicted);
    fill(
      place,
      to !== undefined &&
        h(
          'button',
          {
            type: 'button',
            class: 'compact',
            'aria-label': `Move ${name} to ${predicted}`,
            onclick: () => move(found, to),
          },
          h('span', { class: 'name' }, `Is ${predicted}`),
        ),
      h(
        'button',
        {
          type: 'button',
          class: 'quiet square compact',
          'aria-label': `Remove ${name}`,
          title: 'Remove from the draft',
          onclick: () => remove(removePictures(owner, new Set([picture.id])), owner.id),
        },
        icon('trash'),
      ),
    );
  };

  const drawAdvice = (place: HTMLElement): void => {
    const draft = drafts.current;
    const { zip, version } = draft;
    const again = h('a', { class: 'button primary', href: '#/teach' }, 'Train again');
    if (version !== openedVersion) fill(place, h('p', {}, 'The draft has changed.'), again);
    else if (zip !== undefined)
      fill(place, h('p', { class: 'muted small' }, `The draft is “${zip.file.name}”: change wrong labels in the zip.`));
    else if (pictureCount(draft) === 0)
      fill(
        place,
        h('p', { class: 'muted small' }, 'There is no draft in this browser, so labels cannot be corrected here.'),
      );
    else
      fill(
        place,
        h(
          'p',
          { class: 'muted small' },
          'Where a label is wrong, move the image to the class that it shows, or remove it. Then train again.',
        ),
      );
  };

  const stop = drafts.watch(drawAll);
  void drafts.open().then(() => {
    isOpen = true;
    openedVersion = drafts.current.version;
    drawAll();
  });
  return {
    get advice() {
      return placeOf({ class: 'advice row' }, drawAdvice);
    },
    controls: (answer) => placeOf({ class: 'controls' }, (place) => drawControls(place, answer)),
    close: stop,
  };
}

function find({ classes }: Draft, image: string): Found | undefined {
  const id = idInDraft(image);
  for (const owner of classes) {
    const picture = owner.pictures.find((each) => each.id === id);
    if (picture) return { owner, picture };
  }
  return undefined;
}
