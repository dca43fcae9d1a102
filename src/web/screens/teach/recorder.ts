import { type Camera, openCamera } from '../../camera.ts';
import { openDialog } from '../../components/dialog.ts';
import { errorNotice } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import { counted } from '../../format.ts';

/** Milliseconds between two images: long enough that they differ. */
const INTERVAL_MS = 200;

/** Opens a dialog that records images of a class with the camera, between two clicks on its button. */
export function recordPictures(className: string, onPicture: (file: File) => void): void {
  const place = h('div', { class: 'camera' }, h('p', { class: 'muted' }, 'Waiting for the camera …'));
  let camera: Camera | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  let closed = false;
  let taken = 0;
  const told = h('p', { class: 'muted', role: 'status' }, 'Turn the object while recording: different views help.');
  const button = h('button', { type: 'button', class: 'primary' });
  const draw = (): void => {
    const recording = timer !== undefined;
    fill(button, icon(recording ? 'stop' : 'camera'), recording ? 'Stop' : 'Record');
    button.setAttribute('aria-pressed', String(recording));
  };
  const take = (): void => {
    taken += 1;
    void camera?.picture(`camera-${String(taken).padStart(4, '0')}.jpg`).then((file) => {
      onPicture(file);
      fill(told, `${counted(taken, 'image')} taken`);
    });
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
    draw();
  };
  button.addEventListener('click', () => {
    if (timer !== undefined) return stop();
    take();
    timer = setInterval(take, INTERVAL_MS);
    draw();
  });
  openDialog(`Record “${className}”`, place, () => {
    closed = true;
    stop();
    camera?.stop();
  });
  openCamera().then(
    (opened) => {
      camera = opened;
      if (closed) return opened.stop();
      draw();
      place.replaceChildren(opened.video, button, told);
      button.focus();
    },
    (thrown: unknown) => place.replaceChildren(errorNotice(thrown)),
  );
}
