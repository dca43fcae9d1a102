import { type Camera, jpegOf, openCamera } from '../../camera.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { bars } from '../../components/bars.ts';
import { acceptDrops, acceptPastes } from '../../components/drops.ts';
import { errorNotice, notice } from '../../components/notice.ts';
import { pickButton } from '../../components/picture-input.ts';
import { fill, h, icon } from '../../dom.ts';
import type { KeptModels } from '../../edge/kept-models.ts';
import { type BrowserAnswer, type BrowserModel, loadBrowserModel } from '../../edge/model.ts';
import { bytes, median, milliseconds } from '../../format.ts';
import { isClassifier } from '../../model-kinds.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { UNKNOWN_TEXT } from '../../sureness.ts';
import { type Choosable, type LoadRequest, loadForm } from './load-form.ts';
import { loadedModel } from './loaded-model.ts';
import { offlineLink, offlinePanel } from './offline-panel.ts';
import { serverComparison } from './server-comparison.ts';

const INVITATION = 'Load a model, then start the camera or drop an image here.';

/** Time between two camera frames that are also sent to the server, in milliseconds. */
const COMPARE_EVERY_MS = 1_500;
/** Number of frames to compute the frame rate from. */
const RATE_FRAMES = 30;

/**
 * Runs a model in the browser and compares its predictions with those of the server.
 * @param kept where models are kept, on the page that works offline
 */
export function edgeScreen({ client, route }: Pick<ScreenContext, 'client' | 'route'>, kept?: KeptModels): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;
  let model: BrowserModel | undefined;
  let loading = new AbortController();
  let camera: Camera | undefined;
  const comparison = serverComparison(watched, signal);
  const offline = kept ? offlinePanel(kept) : offlineLink(route.query.get('model'));

  const formPlace = h('div', { class: 'reserved-form' });
  const loaded = h('div', { role: 'status' });
  const stage = h('div', { class: 'stage' });
  const invitation = h('p', { class: 'muted' }, INVITATION);
  const answers = h('div', { class: 'edge-answers' });
  const rate = h('p', { class: 'number big-number' }, '–');
  const rateUnit = h('p', { class: 'muted small' }, 'per image');
  const trouble = h('div');
  const cameraButton = h('button', { type: 'button', class: 'primary' });

  const show = ({ predictions, unknown }: BrowserAnswer): void =>
    fill(answers, unknown === true && h('p', {}, h('span', { class: 'tag caution' }, UNKNOWN_TEXT)), bars(predictions));

  const load = async (request: LoadRequest): Promise<void> => {
    loading.abort();
    loading = new AbortController();
    const current = AbortSignal.any([signal, loading.signal]);
    stopCamera();
    model?.close();
    model = undefined;
    comparison.restart(request.id);
    fill(trouble);
    fill(answers);
    fill(invitation, INVITATION);
    drawButtons();
    const words = h('p', { class: 'muted' }, 'Preparing the model …');
    fill(loaded, h('div', { class: 'working' }, h('progress', { 'aria-label': 'Loading the model' }), words));
    const start = performance.now();
    try {
      const opened = await loadBrowserModel({
        ...request,
        client: watched,
        kept,
        signal: current,
        onProgress: (size) => fill(words, `${bytes(size)} downloaded`),
      });
      if (current.aborted) {
        opened.close();
        return;
      }
      model = opened;
      fill(invitation, 'Start the camera, or drop an image here.');
      fill(loaded, loadedModel(opened, performance.now() - start));
      offline.update(opened.id);
      drawButtons();
    } catch (thrown) {
      if (current.aborted) return;
      fill(loaded);
      fill(trouble, errorNotice(thrown, { label: 'Try again', run: () => void load(request) }));
    }
  };

  const takePhoto = async ([file]: readonly File[]): Promise<void> => {
    if (file === undefined) return;
    stopCamera();
    fill(trouble);
    if (model === undefined) {
      fill(trouble, notice('caution', 'Load a model first', 'Then choose the image again.'));
      return;
    }
    try {
      const picture = await createImageBitmap(file).catch(() => {
        throw new Error(`This browser cannot read “${file.name}”. Choose a JPEG, PNG or WebP.`);
      });
      const canvas = h('canvas', {
        width: picture.width,
        height: picture.height,
        role: 'img',
        'aria-label': file.name,
      });
      canvas.getContext('2d')?.drawImage(picture, 0, 0);
      fill(stage, canvas);
      const start = performance.now();
      const here = await model.classify(picture);
      fill(rate, milliseconds(performance.now() - start));
      fill(rateUnit, 'per image');
      show(here);
      picture.close();
      await comparison.compare(file, here);
    } catch (thrown) {
      fill(trouble, errorNotice(thrown));
    }
  };

  const startCamera = async (): Promise<void> => {
    fill(trouble);
    try {
      camera = await openCamera(640);
      if (signal.aborted) return stopCamera();
      fill(stage, camera.video);
      drawButtons();
      void runLive(camera);
    } catch (thrown) {
      fill(trouble, errorNotice(thrown));
    }
  };

  const stopCamera = (): void => {
    camera?.stop();
    camera = undefined;
    drawButtons();
  };

  /** Classifies one frame after the other, at most as fast as the screen shows them. */
  const runLive = async (own: Camera): Promise<void> => {
    const times: number[] = [];
    let lastCompared = 0;
    while (camera === own && model !== undefined) {
      await nextFrame();
      // The camera may have been stopped meanwhile.
      if (camera !== own || model === undefined) return;
      const start = performance.now();
      const frame = await createImageBitmap(own.video);
      const here = await model.classify(frame);
      times.push(performance.now() - start);
      if (times.length > RATE_FRAMES) times.shift();
      show(here);
      fill(rate, `${Math.round(1_000 / median(times))}`);
      fill(rateUnit, `frames per second, ${milliseconds(median(times))} each`);
      if (start - lastCompared > COMPARE_EVERY_MS) {
        lastCompared = start;
        void sent(frame).then((file) => comparison.compare(file, here));
      } else frame.close();
    }
  };

  const drawButtons = (): void => {
    const live = camera !== undefined;
    fill(cameraButton, icon(live ? 'stop' : 'camera'), live ? 'Stop camera' : 'Start camera');
    cameraButton.disabled = model === undefined;
  };
  cameraButton.addEventListener('click', () => {
    if (camera) stopCamera();
    else void startCamera();
  });

  const asked = route.query.get('model');
  const showForm = (models: readonly Choosable[]): void =>
    fill(
      formPlace,
      loadForm(models, asked, (request) => void load(request)),
    );
  const start = (): void => {
    client.call('listModels', { signal }).then(
      ({ models }) => showForm(models.filter(isClassifier)),
      async (thrown: unknown) => {
        const there = (await kept?.list()) ?? [];
        if (signal.aborted) return;
        if (there.length > 0) showForm(there);
        else fill(formPlace, errorNotice(thrown, { label: 'Try again', run: start }));
      },
    );
  };

  start();
  drawButtons();
  // Whoever comes from a model wants to run it.
  if (asked !== null) void load({ id: asked, quantize: 'float32', backend: 'auto' });
  fill(stage, h('div', { class: 'drop' }, icon('device'), invitation));
  const onFiles = (files: readonly File[]): void => void takePhoto(files);
  const element = h(
    'div',
    { class: 'screen edge' },
    h(
      'div',
      { class: 'lead' },
      h('h1', {}, 'Run a model in this browser'),
      h(
        'p',
        {},
        'The model is downloaded and classifies images on this device. To compare it with the server, some of the images are also sent there.',
      ),
    ),
    formPlace,
    loaded,
    trouble,
    h(
      'div',
      { class: 'edge-stage' },
      stage,
      h(
        'div',
        { class: 'panel block' },
        h('div', { class: 'row' }, cameraButton, pickButton('Choose image', { onFiles })),
        answers,
        h('div', {}, rate, rateUnit),
        comparison.element,
      ),
    ),
    offline.element,
    api.element,
  );
  acceptDrops(element, onFiles);
  const stopPastes = acceptPastes(onFiles);
  return {
    title: 'In browser',
    element,
    close: () => {
      ended.abort();
      stopPastes();
      stopCamera();
      model?.close();
    },
  };
}

function nextFrame(): Promise<unknown> {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

/** Encodes a frame for the server. */
async function sent(frame: ImageBitmap): Promise<File> {
  const canvas = h('canvas', { width: frame.width, height: frame.height });
  canvas.getContext('2d')?.drawImage(frame, 0, 0);
  frame.close();
  return jpegOf(canvas, 'frame.jpg');
}
