import type { Client } from '../../api/client.ts';
import type { Concept, ImageClasses } from '../../api/schema.ts';
import { openDialog } from '../../components/dialog.ts';
import { errorNotice } from '../../components/notice.ts';
import { type Child, fill, h } from '../../dom.ts';
import { counted, percent } from '../../format.ts';

/** Concepts above the class on a card. */
const SHOWN_PATH = 3;
/** Steps from the root of WordNet from which a concept says something: `animal` has 6, `whole` 3. */
const TELLING_DEPTH = 6;
/** Classes of the model to name in the dialog. */
const SHOWN_CLASSES = 12;

/** Opens what is known of a concept. */
export type OpenConcept = (synset: string) => void;

/**
 * What lies above the first class, each concept a button that opens it; and the most specific concept that is at least as
 * likely as not, where the first class is less. Nothing without synsets.
 */
export function conceptPath({ predictions, concept }: ImageClasses, open: OpenConcept): Child {
  const [first] = predictions;
  const path = first?.path ?? [];
  if (first === undefined || path.length === 0) return undefined;
  const backedOff = concept && concept.score > first.score && concept.depth >= TELLING_DEPTH ? concept : undefined;
  return [
    backedOff !== undefined &&
      h(
        'p',
        { class: 'backed-off small' },
        'More surely: ',
        conceptButton(backedOff, open),
        ` ${percent(backedOff.score)}`,
      ),
    h(
      'p',
      { class: 'path small muted' },
      path.slice(0, SHOWN_PATH).map((each) => h('span', {}, '‹ ', conceptButton(each, open), ' ')),
    ),
  ];
}

/** Opens a dialog about a concept, from which one goes on to those above and below it. */
export function exploreConcept(client: Client, model: string, synset: string, answer: ImageClasses): void {
  let asking = new AbortController();
  const scores = new Map(
    [...answer.predictions.flatMap(({ path = [] }) => path), ...(answer.concept ? [answer.concept] : [])].map(
      (each) => [each.synset, each.score],
    ),
  );
  const content = h('div', { class: 'block concept', 'aria-live': 'polite' });
  const show = async (wanted: string): Promise<void> => {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const concept = await client.call('describeLabel', { path: { synset: wanted }, query: { model }, signal });
      dialog.title.textContent = concept.label;
      fill(
        content,
        words(concept, scores.get(wanted), (next) => void show(next)),
      );
    } catch (thrown) {
      if (!signal.aborted) fill(content, errorNotice(thrown, { label: 'Try again', run: () => void show(wanted) }));
    }
  };
  const dialog = openDialog('Concept', content, () => asking.abort());
  void show(synset);
}

function words(concept: Concept, score: number | undefined, open: OpenConcept): Child {
  const { gloss, names, label, parents, children, classes = [] } = concept;
  const others = names.filter((name) => name !== label);
  const more = classes.length - SHOWN_CLASSES;
  return [
    h('p', {}, gloss ?? 'WordNet says no more about it.'),
    others.length > 0 && h('p', { class: 'small muted' }, `Also: ${others.join(', ')}`),
    score !== undefined && h('p', {}, 'In this picture: ', h('strong', {}, percent(score))),
    linked('Above it', parents, open),
    linked('Below it', children, open),
    h(
      'p',
      { class: 'small' },
      `${counted(classes.length, 'class', 'classes')} of the model: `,
      classes
        .slice(0, SHOWN_CLASSES)
        .map((each) => each.label)
        .join(', '),
      more > 0 && ` and ${more} more`,
    ),
  ];
}

function linked(legend: string, concepts: Concept['parents'], open: OpenConcept): Child {
  if (concepts.length === 0) return undefined;
  return h(
    'div',
    {},
    h('p', { class: 'legend' }, legend),
    h(
      'p',
      { class: 'path' },
      concepts.map((each) => [conceptButton(each, open), ' ']),
    ),
  );
}

function conceptButton({ synset, label }: Concept['parents'][number], open: OpenConcept): HTMLElement {
  return h('button', { type: 'button', class: 'link', onclick: () => open(synset) }, label);
}
