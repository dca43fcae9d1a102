import type { Client } from '../../api/client.ts';
import { patiently } from '../../api/patience.ts';
import { type Camera, jpegOf, openCamera } from '../../camera.ts';
import { bars } from '../../components/bars.ts';
import { errorNotice, sentence } from '../../components/notice.ts';
import { type Tta, viewsChoice } from '../../components/views-choice.ts';
import { fill, h, icon } from '../../dom.ts';

/** The model that was trained last, asked about what the camera sees. */
export interface PreviewPanel {
  readonly element: HTMLElement;
  /** @param model for example `flowers@2`; undefined when there is none yet */
  show(model: string | undefined): void;
}

/** Classes that are shown. */
const TOP_K = 5;
/** The camera is asked at most so often, in milliseconds: faster bars are hard to read. */
const EVERY_MS = 200;
/** Width of the frames that are sent; models see about 224 pixels. */
const FRAME_WIDTH = 320;

/** @param signal ends the requests and the camera */
export function previewPanel(client: Client, signal: AbortSignal): PreviewPanel {
  let model: string | undefined;
  let camera: Camera | undefined;
  const title = h('h3', { id: 'preview-title' }, 'Preview');
  let tta: Tta;
  const stage = h('div', { class: 'preview-stage' });
  const answers = h('div', { class: 'preview-answers' });
  const button = h('button', { type: 'button' });

  const ask = async (own: Camera): Promise<void> => {
    const form = [{ name: 'image', value: await frameOf(own.video) }];
    const query = { model, top_k: TOP_K, tta };
    const { results } = await patiently(() => client.call('classify', { query, form, signal }), signal);
    const [result] = results;
    if (result === undefined || camera !== own) return;
    if ('error' in result) return fill(answers, h('p', { class: 'failure' }, sentence(result.error.detail)));
    const { predictions, unknown } = result;
    const top = unknown === true ? 'Unknown' : (predictions[0]?.label ?? '');
    fill(answers, h('p', { class: 'top-class' }, top), bars(predictions));
  };

  /** One frame after the other, since a slow server would fall behind. */
  const follow = async (own: Camera): Promise<void> => {
    while (camera === own) {
      const next = new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      await ask(own);
      await next;
    }
  };

  const stop = (): void => {
    camera?.stop();
    camera = undefined;
    const words =
      model === undefined
        ? 'Train a model: what it answers to the camera is shown here.'
        : 'Start the camera to see what the model answers.';
    fill(stage, h('p', { class: 'muted' }, words));
    fill(answers);
    fill(button, icon('camera'), 'Start preview');
    button.disabled = model === undefined;
  };

  const start = async (): Promise<void> => {
    button.disabled = true;
    try {
      const opened = await openCamera(640);
      if (signal.aborted) return opened.stop();
      camera = opened;
      fill(stage, opened.video);
      fill(button, icon('stop'), 'Stop preview');
      button.disabled = false;
      await follow(opened);
    } catch (thrown) {
      if (signal.aborted) return;
      stop();
      fill(answers, errorNotice(thrown));
    } finally {
      button.disabled = false;
    }
  };
  button.addEventListener('click', () => (camera === undefined ? void start() : stop()));
  signal.addEventListener('abort', stop, { once: true });
  stop();
  const element = h(
    'aside',
    { class: 'panel block preview', 'aria-labelledby': 'preview-title' },
    title,
    stage,
    answers,
    h('div', { class: 'row' }, button),
    viewsChoice((chosen) => {
      tta = chosen;
    }),
  );
  return {
    element,
    show(now) {
      model = now;
      stop();
      fill(title, model === undefined ? 'Preview' : ['Preview of ', h('span', { class: 'name' }, model)]);
    },
  };
}

function frameOf(video: HTMLVideoElement): Promise<File> {
  const height = Math.round((FRAME_WIDTH * video.videoHeight) / video.videoWidth);
  const canvas = h('canvas', { width: FRAME_WIDTH, height });
  canvas.getContext('2d')?.drawImage(video, 0, 0, FRAME_WIDTH, height);
  return jpegOf(canvas, 'frame.jpg');
}
