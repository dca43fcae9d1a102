import { patiently } from '../../api/patience.ts';
import type { Operations } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { errorNotice } from '../../components/notice.ts';
import { acceptDrops, folderOf, pickButton } from '../../components/picture-input.ts';
import { fill, h, icon } from '../../dom.ts';
import { className, draftPicture, emptyClass, type PackedDataset, packDraft, whatIsMissing } from '../../draft.ts';
import { bytes, duration, percent } from '../../format.ts';
import { go } from '../../router.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { classCard, isImage, isZip } from './class-card.ts';
import { conceptChoices } from './concepts.ts';
import { encodingChoice } from './encoding-choice.ts';
import { jobList } from './job-list.ts';
import { preflightView } from './preflight.ts';
import { type TrainingForm, trainingForm } from './training-form.ts';

/** Prepares and checks a data set, and starts a training job. */
export function teachScreen({ client, session }: ScreenContext): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;
  const { draft } = session;
  let packed: PackedDataset | undefined;
  /** Whether the last check of the data set failed. */
  let checkFailed = false;

  const dataset = h('div', { class: 'block' });
  const checked = h('div');
  const missing = h('p', { class: 'muted' });
  const jobs = h('div', { class: 'block' });
  const check = h('button', { type: 'button' }, icon('eye'), 'Check the data set');
  const trouble = h('div');
  let form: TrainingForm | undefined;
  const formPlace = h('div', { class: 'reserved-form' });

  const onChange = (): void => {
    packed = undefined;
    checkFailed = false;
    fill(checked);
    drawReadiness();
  };

  const drawReadiness = (): void => {
    const reason = whatIsMissing(draft);
    fill(missing, reason ?? (!checkFailed && 'The data set is ready.'));
    check.disabled = reason !== undefined;
    form?.setReady(reason === undefined);
  };

  const takeZip = (file: File): void => {
    draft.zip = file;
    draft.encoding = '';
    draft.synsets = {};
    onChange();
    drawDataset();
    void inspect();
  };

  const drawDataset = (): void => {
    fill(dataset, draft.zip === undefined ? classes() : zipSummary(draft.zip));
    drawReadiness();
  };

  const zipSummary = (zip: File): HTMLElement =>
    h(
      'div',
      { class: 'panel row spread' },
      h('p', {}, h('strong', {}, zip.name), h('span', { class: 'muted' }, ` ${bytes(zip.size)}`)),
      encodingChoice(draft.encoding, (encoding) => {
        draft.encoding = encoding;
        onChange();
        void inspect();
      }),
      h(
        'button',
        {
          type: 'button',
          onclick: () => {
            draft.zip = undefined;
            onChange();
            drawDataset();
          },
        },
        'Remove',
      ),
    );

  const classes = (): HTMLElement[] => {
    const cards = draft.classes.map((each, index) =>
      classCard(each, {
        number: index + 1,
        onChange,
        onZip: takeZip,
        onRemove:
          draft.classes.length <= 2
            ? undefined
            : () => {
                draft.classes = draft.classes.filter((other) => other !== each);
                onChange();
                drawDataset();
              },
      }),
    );
    const add = h('button', { type: 'button' }, icon('add'), 'Add class');
    add.addEventListener('click', () => {
      draft.classes = [...draft.classes, emptyClass()];
      drawDataset();
      dataset.querySelector<HTMLInputElement>('li:last-of-type input[type=text]')?.focus();
    });
    const whole = h(
      'div',
      { class: 'drop row' },
      h('span', { class: 'muted' }, 'Already sorted? Drop a zip or folders here, with one folder per class.'),
      pickButton('Choose zip', { onFiles: takeFiles, zips: true }),
    );
    return [h('ul', { class: 'class-cards' }, cards), h('div', { class: 'row' }, add), whole];
  };

  /** Adds images to the class with the name of their folder, or to the first empty class. @param name of the folder */
  const addToClass = (name: string | undefined, files: readonly File[]): void => {
    const named = name === undefined ? undefined : draft.classes.find((each) => each.name === name);
    let target = named ?? draft.classes.find(({ pictures }) => pictures.length === 0);
    if (target === undefined) {
      target = emptyClass();
      draft.classes = [...draft.classes, target];
    }
    if (name !== undefined) target.name = name;
    target.pictures = [...target.pictures, ...files.map(draftPicture)];
  };

  const takeFiles = (files: readonly File[]): void => {
    const zip = files.find(isZip);
    if (zip) {
      takeZip(zip);
      return;
    }
    const images = files.filter(isImage);
    for (const folder of new Set(images.map(folderOf))) {
      addToClass(
        folder,
        images.filter((file) => folderOf(file) === folder),
      );
    }
    onChange();
    drawDataset();
  };

  const encoding = (): { encoding?: string } => (draft.encoding === '' ? {} : { encoding: draft.encoding });

  /** Those of the classes that are still called so. */
  const synsets = (): { synsets?: string } => {
    const names = draft.zip === undefined ? new Set(draft.classes.map(({ name }) => className(name))) : undefined;
    const chosen = Object.entries(draft.synsets).filter(([name]) => names?.has(name) ?? true);
    return chosen.length === 0 ? {} : { synsets: JSON.stringify(Object.fromEntries(chosen)) };
  };

  const pack = async (): Promise<PackedDataset> => {
    packed ??= await packDraft(draft, (share) => fill(checked, working(`Packing the images: ${percent(share, 0)}`)));
    return packed;
  };

  const inspect = async (): Promise<void> => {
    check.disabled = true;
    checkFailed = false;
    fill(trouble);
    try {
      const dataset = await pack();
      fill(checked, working('The server is checking every image …'));
      const form = [{ name: 'dataset', value: dataset.file }];
      const request = () => watched.call('finetune', { query: { dry_run: true, ...encoding() }, form, signal });
      const report = await patiently(request, signal, (seconds, { title }) =>
        fill(checked, working(`${title}. Trying again in ${duration(seconds)} …`)),
      );
      if (!('will_train' in report)) throw new Error('The server started a training instead of a check.');
      const concepts = conceptChoices(report, draft.synsets, (chosen) => {
        draft.synsets = chosen;
      });
      fill(checked, preflightView(report, dataset), concepts);
    } catch (thrown) {
      checkFailed = true;
      if (!signal.aborted) fill(checked, errorNotice(thrown, { label: 'Try again', run: () => void inspect() }));
    } finally {
      drawReadiness();
    }
  };
  check.addEventListener('click', () => void inspect());

  const train = async (query: Operations['finetune']['query']): Promise<void> => {
    fill(trouble);
    form?.setReady(false);
    try {
      const { file } = await pack();
      fill(trouble, working(`Uploading ${bytes(file.size)} …`));
      const request = () =>
        watched.call('finetune', {
          query: { ...query, ...encoding(), ...synsets() },
          form: [{ name: 'dataset', value: file }],
          signal,
        });
      const job = await patiently(request, signal, (seconds, { title }) =>
        fill(trouble, working(`${title}. Trying again in ${duration(seconds)} …`)),
      );
      if (!('state' in job)) throw new Error('The server checked the data set instead of training.');
      go(['jobs', job.id]);
    } catch (thrown) {
      if (!signal.aborted) fill(trouble, errorNotice(thrown));
      drawReadiness();
    }
  };

  const load = async (): Promise<void> => {
    const [{ models }, listed] = await Promise.all([
      client.call('listModels', { signal }),
      client.call('listJobs', { signal }),
    ]);
    form = trainingForm(models, draft, (query) => void train(query));
    fill(formPlace, form.element);
    drawReadiness();
    if (listed.jobs.length > 0) fill(jobs, h('h2', {}, 'Jobs'), jobList(listed.jobs));
  };

  const start = (): void => {
    load().catch((thrown: unknown) => {
      if (!signal.aborted) fill(formPlace, errorNotice(thrown, { label: 'Try again', run: start }));
    });
  };

  drawDataset();
  start();
  const element = h(
    'div',
    { class: 'screen teach' },
    h(
      'div',
      { class: 'lead' },
      h('h1', {}, 'Teach a model your own classes'),
      h(
        'p',
        {},
        'Add a few dozen images of each class. A pretrained network extracts their features, and a new head learns to tell the classes apart. This takes minutes on a laptop.',
      ),
    ),
    h('section', { class: 'block', 'aria-labelledby': 'step-1' }, stepHeading(1, 'Images'), dataset),
    h(
      'section',
      { class: 'block', 'aria-labelledby': 'step-2' },
      stepHeading(2, 'Check'),
      h('div', { class: 'row' }, check, missing),
      checked,
    ),
    h('section', { class: 'block', 'aria-labelledby': 'step-3' }, stepHeading(3, 'Train'), formPlace, trouble),
    jobs,
    api.element,
  );
  acceptDrops(element, takeFiles);
  return { title: 'Teach', element, close: () => ended.abort() };
}

function stepHeading(step: number, text: string): HTMLElement {
  return h('h2', { class: 'step', id: `step-${step}` }, h('span', { 'aria-hidden': 'true' }, step), text);
}

function working(text: string): HTMLElement {
  return h(
    'div',
    { class: 'working', role: 'status' },
    h('progress', { 'aria-label': text }),
    h('p', { class: 'muted' }, text),
  );
}
