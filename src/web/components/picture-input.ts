import { type Camera, openCamera } from '../camera.ts';
import { h, icon } from '../dom.ts';
import { counted } from '../format.ts';
import { openDialog } from './dialog.ts';
import { errorNotice } from './notice.ts';

/** File types to choose from. */
const IMAGES = 'image/*,.avif,.heic,.heif,.tif,.tiff';
const ZIPS = '.zip,application/zip';

export interface PictureInputOptions {
  readonly onFiles: (files: readonly File[]) => void;
  /** Whether zips can be chosen too. */
  readonly zips?: boolean;
  /** The accessible name, if that is not the label. */
  readonly name?: string | undefined;
}

/** A button that opens the file dialog of the system. */
export function pickButton(label: string, { onFiles, zips, name }: PictureInputOptions, primary = false): HTMLElement {
  const input = h('input', {
    type: 'file',
    accept: zips ? `${IMAGES},${ZIPS}` : IMAGES,
    multiple: true,
    hidden: true,
    'data-pick': true,
  });
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    // Lets the same file be chosen again.
    input.value = '';
    if (files.length > 0) onFiles(files);
  });
  const attributes = { type: 'button', class: primary ? 'primary' : '', 'aria-label': name };
  const button = h('button', attributes, icon('pictures'), label);
  button.addEventListener('click', () => input.click());
  return h('span', {}, button, input);
}

/** A button that opens a dialog to take photos with the camera. */
export function cameraButton(onFiles: (files: readonly File[]) => void): HTMLButtonElement {
  const button = h('button', { type: 'button' }, icon('camera'), 'Camera');
  button.addEventListener('click', () => {
    const place = h('div', { class: 'camera' }, h('p', { class: 'muted' }, 'Waiting for the camera …'));
    let camera: Camera | undefined;
    let closed = false;
    openDialog('Take photos', place, () => {
      closed = true;
      camera?.stop();
    });
    openCamera().then(
      (opened) => {
        camera = opened;
        if (closed) return opened.stop();
        const take = h('button', { type: 'button', class: 'primary' }, icon('camera'), 'Take photo');
        const told = h(
          'p',
          { class: 'muted', role: 'status' },
          'Each photo is added at once. Close this dialog when you are done.',
        );
        let taken = 0;
        take.addEventListener('click', () => {
          taken += 1;
          void opened.picture(`camera-${taken}.jpg`).then((file) => {
            onFiles([file]);
            told.textContent = `${counted(taken, 'photo')} taken`;
          });
        });
        place.replaceChildren(opened.video, take, told);
        take.focus();
      },
      (thrown: unknown) => place.replaceChildren(errorNotice(thrown)),
    );
  });
  return button;
}
