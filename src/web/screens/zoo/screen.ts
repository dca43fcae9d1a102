import type { RepositoryEntry } from '../../api/schema.ts';
import { apiPanel } from '../../components/api-panel.ts';
import { errorNotice } from '../../components/notice.ts';
import { type Child, fill, h } from '../../dom.ts';
import { counted } from '../../format.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import type { Sorting } from './columns.ts';
import { zooTable } from './table.ts';
import { type ZooModel, zooModels } from './zoo-model.ts';

/** All models of the server, and those that it can download. */
export function zooScreen({ client, session }: ScreenContext): Screen {
  const api = apiPanel();
  const watched = client.watched(api.show);
  const ended = new AbortController();
  const { signal } = ended;
  let models: readonly ZooModel[] = [];
  let sorting: Sorting | undefined;
  const tally = h('p', { class: 'reserved-tally', role: 'status' });
  const table = h('div', { class: 'panel reserved-tiles' });
  const trouble = h('div');
  const others = h('div');

  const draw = (): void => {
    const here = models.filter((model) => model.here !== undefined).length;
    fill(tally, `${counted(here, 'model')} here, ${models.length - here} more to download. Sort by any column.`);
    const onSort = (next: Sorting | undefined): void => {
      sorting = next;
      draw();
    };
    fill(table, zooTable(models, { client: watched, session, signal, sorting, onSort, onChange: start }));
  };

  const load = async (): Promise<void> => {
    const [list, entries] = await Promise.all([
      watched.call('listModels', { signal }),
      watched.call('repositoryIndex', { signal }),
    ]);
    models = zooModels(list, entries);
    draw();
    fill(others, damaged(entries, new Set(models.map(({ facts }) => facts.id))));
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
      h('div', { class: 'lead' }, h('h1', {}, 'Model zoo'), tally),
      trouble,
      table,
      others,
      api.element,
    ),
    close: () => ended.abort(),
  };
}

/** What cannot be used, since its files are damaged. @param listed ids of the models in the list */
function damaged(entries: readonly RepositoryEntry[], listed: ReadonlySet<string>): Child {
  // An entry with a version can be used: the first request loads it.
  const broken = entries.filter(
    ({ name, version, reason }) => version === undefined && reason !== '' && !listed.has(name),
  );
  if (broken.length === 0) return undefined;
  return h(
    'section',
    { class: 'block' },
    h('h2', {}, 'Damaged'),
    h(
      'ul',
      { class: 'panel listing' },
      broken.map(({ name, reason }) => h('li', {}, h('strong', {}, name), h('span', { class: 'failure' }, reason))),
    ),
  );
}
