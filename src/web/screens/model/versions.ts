import type { Client } from '../../api/client.ts';
import type { ModelCard } from '../../api/schema.ts';
import { errorNotice } from '../../components/notice.ts';
import { type Child, fill, h, icon } from '../../dom.ts';
import { confirmRemoval, removeModel } from '../../model-removal.ts';
import { hrefOf } from '../../router.ts';

/** The alias of the version that the bare name of a model serves. */
const SERVING = 'production';

export interface VersionsOptions {
  readonly client: Client;
  readonly signal: AbortSignal;
  /** Called with the card after a change; undefined when the model has been removed. */
  readonly onChange: (card: ModelCard | undefined) => void;
}

/** The versions of a fine-tuned model, to promote, roll back, alias and remove. */
export function versionList(card: ModelCard, { client, signal, onChange }: VersionsOptions): HTMLElement {
  const { id, versions, aliases } = card;
  const trouble = h('div');

  const attempt = (change: () => Promise<ModelCard | undefined>): void => {
    fill(trouble);
    change().then(onChange, (thrown: unknown) => {
      if (!signal.aborted) fill(trouble, errorNotice(thrown));
    });
  };
  const setAlias = (alias: string, version: number): void =>
    attempt(() => client.call('setAlias', { path: { id, alias }, json: { version }, signal }));
  const removeAlias = (alias: string): void =>
    attempt(() => client.call('removeAlias', { path: { id, alias }, signal }));
  const aliasesOf = (version: number): string[] => Object.keys(aliases).filter((alias) => aliases[alias] === version);
  const remove = (version: number): void => {
    const own = aliasesOf(version);
    const also = own.length === 0 ? '' : ` and ${own.length === 1 ? 'its alias' : 'its aliases'} ${own.join(', ')}`;
    if (!confirm(`Delete version ${version} of “${id}”${also}? This cannot be undone.`)) return;
    attempt(async () => {
      for (const alias of own) await client.call('removeAlias', { path: { id, alias }, signal });
      await client.call('removeVersion', { path: { id: `${id}@${version}` }, signal });
      return client.call('describeModel', { path: { id }, signal });
    });
  };
  const removeAll = (): void => {
    if (!confirmRemoval(card)) return;
    attempt(async () => {
      await removeModel(client, card, signal);
      return undefined;
    });
  };

  const aliasTags = (version: number): Child =>
    aliasesOf(version).map((alias) =>
      alias === SERVING
        ? h('span', { class: 'tag accent' }, alias)
        : h(
            'span',
            { class: 'tag' },
            alias,
            h(
              'button',
              {
                type: 'button',
                class: 'in-tag',
                'aria-label': `Remove the alias ${alias}`,
                onclick: () => removeAlias(alias),
              },
              icon('close'),
            ),
          ),
    );

  const rows = versions.toReversed().map((version) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, h('a', { href: hrefOf(['results', id, String(version)]) }, `Version ${version}`)),
      h('td', {}, h('div', { class: 'row' }, aliasTags(version))),
      h(
        'td',
        {},
        h(
          'div',
          { class: 'row end' },
          card.version !== version &&
            h(
              'button',
              { type: 'button', class: 'compact', onclick: () => setAlias(SERVING, version) },
              version < card.version ? `Roll back to ${version}` : `Promote ${version}`,
            ),
          card.version !== version &&
            h(
              'button',
              {
                type: 'button',
                class: 'quiet square compact',
                'aria-label': `Delete version ${version}`,
                onclick: () => remove(version),
              },
              icon('trash'),
            ),
        ),
      ),
    ),
  );

  return h(
    'section',
    { class: 'panel block' },
    h('h2', {}, 'Versions'),
    h('table', { class: 'table' }, h('tbody', {}, rows)),
    aliasForm(id, versions, setAlias),
    trouble,
    h(
      'div',
      { class: 'row' },
      h('button', { type: 'button', class: 'danger', onclick: removeAll }, icon('trash'), 'Delete the model …'),
    ),
  );
}

function aliasForm(
  id: string,
  versions: readonly number[],
  onSet: (alias: string, version: number) => void,
): HTMLElement {
  const alias = h('input', {
    type: 'text',
    placeholder: 'candidate',
    'aria-label': 'Alias',
    pattern: '[a-z][a-z0-9_\\-]{0,31}',
    required: true,
  });
  const version = h(
    'select',
    { 'aria-label': 'Version' },
    versions.toReversed().map((each) => h('option', { value: each }, `version ${each}`)),
  );
  return h(
    'form',
    {
      class: 'row alias-form',
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        onSet(alias.value, Number(version.value));
      },
    },
    h('span', { class: 'muted small' }, `${id}@`),
    alias,
    h('span', { class: 'muted small' }, 'serves'),
    version,
    h('button', { type: 'submit', class: 'compact' }, 'Set alias'),
  );
}
