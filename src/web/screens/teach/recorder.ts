import { type Camera, openCamera } from '../../camera.ts';
import { errorNotice } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import { counted } from '../../format.ts';

/** Milliseconds between two images: long enough that they differ. */
const INTERVAL_MS = 200;

/** The camera on the card of a class. */
export interface Recorder {
  readonly element: HTMLElement;
  close(): void;
}

/** Records images while its button, Space or Enter is held. Where a button cannot be held, a click starts and ends it. */
export function recorder(onPicture: (file: File) => void): Recorder {
  const element = h('div', { class: 'recorder' }, h('p', { class: 'muted' }, 'Waiting for the camera …'));
  const told = h(
    'p',
    { class: 'muted small', role: 'status' },
    'Turn the object while you record: different views help.',
  );
  const button = h('button', { type: 'button', class: 'primary hold' });
  let camera: Camera | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  let closed = false;
  let taken = 0;

  const draw = (): void => {
    const recording = timer !== undefined;
    fill(button, icon(recording ? 'stop' : 'camera'), recording ? 'Recording …' : 'Hold to record');
    button.setAttribute('aria-pressed', String(recording));
  };
  const take = (): void => {
    camera?.picture(`camera-${Date.now()}.jpg`).then(
      (file) => {
        if (closed) return;
        taken += 1;
        onPicture(file);
        fill(told, `${counted(taken, 'image')} recorded`);
      },
      (thrown: unknown) => {
        stop();
        fill(told, thrown instanceof Error ? thrown.message : String(thrown));
      },
    );
  };
  const start = (): void => {
    if (timer !== undefined || closed) return;
    timer = setInterval(take, INTERVAL_MS);
    take();
    draw();
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
    draw();
  };

  button.addEventListener('pointerdown', ({ pointerId }) => {
    // The pointer may leave the button while it is held.
    button.setPointerCapture(pointerId);
    start();
  });
  for (const type of ['pointerup', 'pointercancel', 'blur'] as const) button.addEventListener(type, stop);
  button.addEventListener('contextmenu', (event) => event.preventDefault());
  button.addEventListener('keydown', (event) => {
    if (event.key !== ' ' && event.key !== 'Enter') return;
    // Otherwise it would be a click too.
    event.preventDefault();
    start();
  });
  button.addEventListener('keyup', stop);
  // Neither pointer nor keyboard: a screen reader or a voice.
  button.addEventListener('click', (event) => {
    if (event.detail !== 0) return;
    if (timer === undefined) start();
    else stop();
  });

  draw();
  openCamera(640).then(
    (opened) => {
      if (closed) return opened.stop();
      camera = opened;
      fill(element, opened.video, button, told);
      button.focus({ preventScroll: true });
    },
    (thrown: unknown) => fill(element, errorNotice(thrown)),
  );
  return {
    element,
    close: () => {
      stop();
      closed = true;
      camera?.stop();
    },
  };
}
