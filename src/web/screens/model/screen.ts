import { RequestError } from '../../api/problem.ts';
import type { DamagedReferences, ModelCard } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { downloads } from '../../components/downloads.ts';
import { errorNotice, notice, sentence } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import { isClassifier, isFineTuned } from '../../model-kinds.ts';
import { go, hrefOf } from '../../router.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { speedView } from '../zoo/speed.ts';
import { classList } from './classes.ts';
import { accuracyTable, facts, provenanceList } from './facts.ts';
import { loadingView } from './loading.ts';
import { versionList } from './versions.ts';

/** The card of a model: `#/zoo/resnet18_slim.tiny200`. */
export function modelScreen({ client, route, session }: ScreenContext): Screen {
  const id = route.path[1] ?? '';
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;
  const heading = h('h1', {}, id);
  const about = h('div', { class: 'row' }, h('code', {}, id));
  const body = h('div', { class: 'block reserved-result' });

  const show = (card: ModelCard): void => {
    const fineTuned = isFineTuned(card);
    fill(heading, card.title);
    fill(
      about,
      h('code', {}, card.id),
      card.default && h('span', { class: 'tag accent' }, 'default'),
      fineTuned && h('span', { class: 'tag' }, 'taught here'),
    );
    fill(
      body,
      card.damaged !== undefined && notice('caution', 'Not everything of this model can be used', damage(card.damaged)),
      h(
        'div',
        { class: 'row' },
        isClassifier(card) &&
          h(
            'a',
            { class: 'button primary', href: hrefOf(['classify'], { model: card.id }) },
            icon('pictures'),
            'Classify images',
          ),
        isClassifier(card) &&
          h('a', { class: 'button', href: hrefOf(['edge'], { model: card.id }) }, icon('device'), 'Run in browser'),
        fineTuned &&
          h('a', { class: 'button', href: hrefOf(['results', card.id, String(card.version)]) }, 'Training report'),
      ),
      h('div', { class: 'panel' }, facts(card, speedView(watched, session, card.id, signal))),
      h('section', { class: 'panel block' }, h('h2', {}, 'Accuracy'), accuracyTable(card)),
      h(
        'div',
        { class: 'columns' },
        h(
          'section',
          { class: 'panel block' },
          h('h2', {}, 'Download'),
          h('p', { class: 'muted' }, 'A zip with the model, its labels, its card and instructions.'),
          downloads(card.id),
        ),
        loadingView(watched, card, signal),
      ),
      fineTuned &&
        versionList(card, {
          client: watched,
          signal,
          onChange: (now) => {
            if (now) show(now);
            else go(['zoo']);
          },
        }),
      isClassifier(card) && classList(card),
      h('details', { class: 'panel' }, h('summary', {}, 'Provenance'), provenanceList(card)),
    );
  };

  const load = (): void => {
    watched.call('describeModel', { path: { id }, signal }).then(show, (thrown: unknown) => {
      if (signal.aborted) return;
      if (!(thrown instanceof RequestError && thrown.status === 404)) {
        fill(body, errorNotice(thrown, { label: 'Try again', run: load }));
        return;
      }
      fill(heading, 'Model not found');
      fill(about);
      fill(body, h('p', {}, sentence(thrown.message)));
    });
  };
  load();
  return {
    title: id,
    element: h(
      'div',
      { class: 'screen' },
      h('div', { class: 'lead' }, h('p', {}, h('a', { href: '#/zoo' }, 'Zoo')), heading, about),
      body,
      api.element,
    ),
    close: () => ended.abort(),
  };
}

/** One sentence on the versions and aliases that cannot be used. */
function damage(references: DamagedReferences): string {
  return `${references.map(({ reference, reason }) => `${reference}: ${reason}`).join('; ')}.`;
}
