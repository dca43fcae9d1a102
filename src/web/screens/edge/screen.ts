import type { ModelSummary, Prediction } from '../../api/schema.ts';
import { type Camera, jpegOf, openCamera } from '../../camera.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { bars } from '../../components/bars.ts';
import { errorNotice } from '../../components/notice.ts';
import { acceptDrops, acceptPastes, pickButton } from '../../components/picture-input.ts';
import { fill, h, icon } from '../../dom.ts';
import { type Agreement, compared, NOTHING_COMPARED } from '../../edge/agreement.ts';
import { type BrowserModel, loadBrowserModel } from '../../edge/model.ts';
import { bytes, counted, median, milliseconds, percent } from '../../format.ts';
import { isClassifier } from '../../model-kinds.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { type LoadRequest, loadForm } from './load-form.ts';

/** Milliseconds between two frames of the camera that the server is asked about too. */
const COMPARE_EVERY_MS = 1_500;
/** Frames over which the rate is taken. */
const RATE_FRAMES = 30;

/** A model that runs on the device of whoever looks at the page. */
export function edgeScreen({ client, route }: ScreenContext): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;
  let model: BrowserModel | undefined;
  let camera: Camera | undefined;
  let agreement: Agreement = NOTHING_COMPARED;
  let asking = false;

  const formPlace = h('div', { class: 'reserved-form' });
  const loaded = h('div', { role: 'status' });
  const stage = h('div', { class: 'stage' });
  const answers = h('div', { class: 'edge-answers' });
  const rate = h('p', { class: 'number big-number' }, '–');
  const rateUnit = h('p', { class: 'muted small' }, 'for one picture');
  const agreed = h('p', { role: 'status' });
  const trouble = h('div');
  const compare = h('input', { type: 'checkbox', checked: true });
  const cameraButton = h('button', { type: 'button', class: 'primary' });

  const show = (predictions: readonly Prediction[]): void => fill(answers, bars(predictions));

  const showAgreement = (): void => {
    const { pictures, same, difference } = agreement;
    fill(
      agreed,
      pictures === 0
        ? 'Not compared yet.'
        : `Same first class as the server on ${same} of ${counted(pictures, 'picture')}; scores differ by ${percent(difference, 2)} at most.`,
    );
  };

  /** Asks the server about a picture that was answered here, so that the two can be compared. */
  const askServer = async (file: File, here: readonly Prediction[], id: string): Promise<void> => {
    if (!compare.checked || asking) return;
    asking = true;
    try {
      const form = [{ name: 'image', value: file }];
      const { results } = await watched.call('classify', { query: { model: id, top_k: here.length }, form, signal });
      const [result] = results;
      if (result === undefined || 'error' in result || model?.id !== id) return;
      agreement = compared(agreement, here, result.predictions);
      showAgreement();
    } catch (thrown) {
      if (!signal.aborted)
        fill(
          agreed,
          `The server could not be compared with: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
        );
    } finally {
      asking = false;
    }
  };

  const load = async (request: LoadRequest): Promise<void> => {
    stopCamera();
    model?.close();
    model = undefined;
    agreement = NOTHING_COMPARED;
    fill(trouble);
    fill(answers);
    showAgreement();
    drawButtons();
    const words = h('p', { class: 'muted' }, 'The model is made ready …');
    fill(loaded, h('div', { class: 'working' }, h('progress', { 'aria-label': 'Loading the model' }), words));
    const start = performance.now();
    try {
      const opened = await loadBrowserModel({
        ...request,
        client: watched,
        signal,
        onProgress: (size) => fill(words, `${bytes(size)} are here`),
      });
      if (signal.aborted) {
        opened.close();
        return;
      }
      model = opened;
      fill(
        loaded,
        h(
          'p',
          { class: 'row' },
          icon('check'),
          ` ${opened.id} runs here: ${bytes(opened.size)}, ready after ${milliseconds(performance.now() - start)}.`,
        ),
      );
      drawButtons();
    } catch (thrown) {
      if (signal.aborted) return;
      fill(loaded);
      fill(trouble, errorNotice(thrown, { label: 'Try again', run: () => void load(request) }));
    }
  };

  const takePhoto = async ([file]: readonly File[]): Promise<void> => {
    if (file === undefined) return;
    stopCamera();
    fill(trouble);
    if (model === undefined) {
      fill(trouble, errorNotice(new Error('Load a model first: then it can look at the picture.')));
      return;
    }
    try {
      const picture = await createImageBitmap(file);
      const canvas = h('canvas', {
        width: picture.width,
        height: picture.height,
        role: 'img',
        'aria-label': file.name,
      });
      canvas.getContext('2d')?.drawImage(picture, 0, 0);
      fill(stage, canvas);
      // The first answer of a network includes its preparation.
      await model.classify(picture);
      const start = performance.now();
      const here = await model.classify(picture);
      fill(rate, milliseconds(performance.now() - start));
      fill(rateUnit, 'for one picture');
      show(here);
      picture.close();
      await askServer(file, here, model.id);
    } catch {
      fill(trouble, errorNotice(new Error(`This browser cannot read “${file.name}”: choose a JPEG, PNG or WebP.`)));
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

  /** One frame after the other, as fast as the device goes and the screen shows them. */
  const runLive = async (own: Camera): Promise<void> => {
    const times: number[] = [];
    let lastCompared = 0;
    while (camera === own && model !== undefined) {
      await nextFrame();
      // Meanwhile somebody may have stopped it: then there is no frame.
      if (camera !== own || model === undefined) return;
      const start = performance.now();
      const frame = await createImageBitmap(own.video);
      const here = await model.classify(frame);
      times.push(performance.now() - start);
      if (times.length > RATE_FRAMES) times.shift();
      show(here);
      fill(rate, `${Math.round(1_000 / median(times))}`);
      fill(rateUnit, `frames a second, ${milliseconds(median(times))} each`);
      if (start - lastCompared > COMPARE_EVERY_MS) {
        lastCompared = start;
        void sent(frame).then((file) => model && askServer(file, here, model.id));
      } else frame.close();
    }
  };

  const drawButtons = (): void => {
    const live = camera !== undefined;
    fill(cameraButton, icon(live ? 'stop' : 'camera'), live ? 'Stop the camera' : 'Camera');
    cameraButton.disabled = model === undefined;
  };
  cameraButton.addEventListener('click', () => {
    if (camera) stopCamera();
    else void startCamera();
  });

  const showForm = (models: readonly ModelSummary[]): void => {
    const asked = route.query.get('model');
    fill(
      formPlace,
      loadForm(models, asked, (request) => void load(request)),
    );
  };
  const start = (): void => {
    client.call('listModels', { signal }).then(
      ({ models }) => showForm(models.filter(isClassifier)),
      (thrown: unknown) => {
        if (!signal.aborted) fill(formPlace, errorNotice(thrown, { label: 'Try again', run: start }));
      },
    );
  };

  start();
  drawButtons();
  showAgreement();
  fill(
    stage,
    h(
      'div',
      { class: 'drop' },
      icon('device'),
      h('p', { class: 'muted' }, 'Load a model, then turn on the camera or drop a photo here.'),
    ),
  );
  const onFiles = (files: readonly File[]): void => void takePhoto(files);
  const element = h(
    'div',
    { class: 'screen edge' },
    h(
      'div',
      { class: 'lead' },
      h('h1', {}, 'Run it in this browser'),
      h(
        'p',
        {},
        'The model leaves the server and looks at your pictures on this device. Compared, a frame now and then goes to the server too.',
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
        h('div', { class: 'row' }, cameraButton, pickButton('Photo', { onFiles })),
        answers,
        h('div', {}, rate, rateUnit),
        h('label', { class: 'row check' }, compare, 'Compare with the server'),
        agreed,
      ),
    ),
    api.element,
  );
  acceptDrops(element, onFiles);
  const stopPastes = acceptPastes(onFiles);
  return {
    title: 'In this browser',
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

/** A frame as the server takes it. */
async function sent(frame: ImageBitmap): Promise<File> {
  const canvas = h('canvas', { width: frame.width, height: frame.height });
  canvas.getContext('2d')?.drawImage(frame, 0, 0);
  frame.close();
  return jpegOf(canvas, 'frame.jpg');
}
