import { cameraButton, pickButton } from '../../components/picture-input.ts';
import { h, icon } from '../../dom.ts';

type OnFiles = (files: readonly File[]) => void;

/** The place for the first images. */
export function firstPictures(onFiles: OnFiles): HTMLElement {
  return h(
    'div',
    { class: 'drop large' },
    icon('pictures'),
    h('h2', {}, 'Drop images here'),
    h('p', { class: 'muted hint' }, 'or paste them, choose files, or use the camera.'),
    h('div', { class: 'row' }, pickButton('Choose images', { onFiles }, true), cameraButton(onFiles)),
    h('p', { class: 'muted small' }, 'JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC'),
  );
}

/** The place for more images, and a button that removes all. */
export function morePictures(onFiles: OnFiles, onClear: () => void): HTMLElement {
  return h(
    'div',
    { class: 'drop row' },
    pickButton('Add images', { onFiles }, true),
    cameraButton(onFiles),
    h('button', { type: 'button', class: 'quiet', onclick: onClear }, 'Remove all'),
    h('span', { class: 'muted small hint' }, 'You can also drop or paste images.'),
  );
}
