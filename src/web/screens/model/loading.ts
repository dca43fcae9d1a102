import type { Client } from '../../api/client.ts';
import type { ModelCard, RepositoryEntry } from '../../api/schema.ts';
import { errorNotice, sentence } from '../../components/notice.ts';
import { fill, h } from '../../dom.ts';

/** Shows whether a model is loaded, with buttons to load and unload it. */
export function loadingView(client: Client, { id, version }: ModelCard, signal: AbortSignal): HTMLElement {
  const place = h('section', { class: 'panel block' });
  const name = `${id}@${version}`;

  const show = ({ state, reason }: Pick<RepositoryEntry, 'state' | 'reason'>): void => {
    const ready = state === 'READY';
    fill(
      place,
      h('h2', {}, 'Memory'),
      h(
        'p',
        { role: 'status' },
        ready
          ? `Version ${version} is loaded.`
          : reason === ''
            ? 'Not loaded. The first request loads it.'
            : `Not loaded. ${sentence(reason)}`,
      ),
      h(
        'div',
        { class: 'row' },
        ready
          ? h('button', { type: 'button', onclick: () => change('unloadModel') }, 'Unload')
          : h('button', { type: 'button', onclick: () => change('loadModel') }, 'Load'),
      ),
      ready && h('p', { class: 'muted small' }, 'An unloaded model answers no requests until it is loaded again.'),
    );
  };

  const attempt = (ask: () => Promise<RepositoryEntry | undefined>): void => {
    ask().then(
      (entry) => show(entry ?? { state: 'UNAVAILABLE', reason: '' }),
      (thrown: unknown) => {
        if (!signal.aborted) fill(place, h('h2', {}, 'Memory'), errorNotice(thrown, { label: 'Back', run: look }));
      },
    );
  };
  const change = (operation: 'loadModel' | 'unloadModel'): void => {
    fill(
      place,
      h('h2', {}, 'Memory'),
      h('p', { class: 'muted', role: 'status' }, operation === 'loadModel' ? 'Loading …' : 'Unloading …'),
    );
    attempt(() => client.call(operation, { path: { id: name }, signal }));
  };
  const look = (): void =>
    attempt(async () => {
      const entries = await client.call('repositoryIndex', { signal });
      return entries.find((entry) => entry.name === id && entry.version === String(version));
    });
  look();
  return place;
}
