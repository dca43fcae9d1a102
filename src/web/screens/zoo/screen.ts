import type { ModelSummary } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { errorNotice } from '../../components/notice.ts';
import { fill, h } from '../../dom.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { modelTile } from './model-tile.ts';
import { notHere } from './not-here.ts';

/** All models of the server. */
export function zooScreen({ client, session }: ScreenContext): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;
  const list = h('ul', { class: 'tiles reserved-tiles' });
  const trouble = h('div');
  const others = h('div', { class: 'block' });

  const load = async (): Promise<void> => {
    const [{ models }, entries] = await Promise.all([
      watched.call('listModels', { signal }),
      watched.call('repositoryIndex', { signal }),
    ]);
    const loaded = new Set(entries.filter(({ state }) => state === 'READY').map(({ name }) => name));
    fill(
      list,
      sorted(models).map((model) => modelTile(model, loaded.has(model.id), { client: watched, session, signal })),
    );
    fill(others, notHere(entries, { client: watched, session, signal, onPulled: start }));
  };

  const start = (): void => {
    fill(trouble);
    load().catch((thrown: unknown) => {
      if (!signal.aborted) fill(trouble, errorNotice(thrown, { label: 'Try again', run: start }));
    });
  };
  start();
  return {
    title: 'Zoo',
    element: h(
      'div',
      { class: 'screen' },
      h(
        'div',
        { class: 'lead' },
        h('h1', {}, 'Model zoo'),
        h('p', {}, 'All models of this server, with their accuracy, size, speed and licence.'),
      ),
      trouble,
      list,
      others,
      api.element,
    ),
    close: () => ended.abort(),
  };
}

/** The default model first, the others by name. */
function sorted(models: readonly ModelSummary[]): ModelSummary[] {
  return models.toSorted((a, b) => Number(b.default) - Number(a.default) || a.id.localeCompare(b.id));
}
