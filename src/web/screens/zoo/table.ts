import { type Child, h } from '../../dom.ts';
import { COLUMNS, type Column, type Sorting, sortedBy } from './columns.ts';
import { type RowOptions, zooRow } from './row.ts';
import { TAUGHT, type ZooModel } from './zoo-model.ts';

export interface ZooTableOptions extends RowOptions {
  /** Undefined for families. */
  readonly sorting: Sorting | undefined;
  readonly onSort: (sorting: Sorting | undefined) => void;
}

/**
 * The list of models. Its roles are written out, since narrow windows show each row as a block, and browsers then no
 * longer take it for a table.
 */
export function zooTable(models: readonly ZooModel[], options: ZooTableOptions): HTMLElement {
  const { sorting, session } = options;
  return h(
    'table',
    { class: 'zoo', role: 'table', 'aria-label': 'Models' },
    h(
      'thead',
      { role: 'rowgroup' },
      h(
        'tr',
        { role: 'row' },
        COLUMNS.map((column) => header(column, options)),
        h('th', { role: 'columnheader' }, h('span', { class: 'visually-hidden' }, 'Actions')),
      ),
    ),
    sorting === undefined
      ? byFamily(models).map(([family, members]) => group(family, members, options))
      : h(
          'tbody',
          { role: 'rowgroup' },
          sortedBy(models, sorting, session).map((model) => zooRow(model, options)),
        ),
  );
}

/** A header that sorts by its column; a third click brings the families back. */
function header({ name, numeric, descending }: Column, { sorting, onSort }: ZooTableOptions): HTMLElement {
  const isOn = sorting?.column === name;
  const next = (): Sorting | undefined => {
    if (!isOn) return { column: name as Sorting['column'], descending };
    return sorting.descending === descending ? { ...sorting, descending: !descending } : undefined;
  };
  return h(
    'th',
    {
      role: 'columnheader',
      class: numeric ? 'number' : '',
      'aria-sort': isOn ? (sorting.descending ? 'descending' : 'ascending') : undefined,
    },
    h('button', { type: 'button', class: 'sort', onclick: () => onSort(next()) }, name),
  );
}

function group(family: string, members: readonly ZooModel[], options: ZooTableOptions): Child {
  return h(
    'tbody',
    { role: 'rowgroup' },
    h(
      'tr',
      { role: 'row', class: 'family' },
      h('th', { role: 'rowheader', scope: 'rowgroup', colspan: COLUMNS.length + 1 }, family),
    ),
    members.map((model) => zooRow(model, options)),
  );
}

/** What was taught here first, then the families of which some are here. In each, what is here first, then the smaller. */
function byFamily(models: readonly ZooModel[]): [string, ZooModel[]][] {
  const families = new Map<string, ZooModel[]>();
  for (const model of models) families.set(model.family, [...(families.get(model.family) ?? []), model]);
  const rank = ([family, members]: [string, ZooModel[]]): number => {
    if (family === TAUGHT) return 0;
    return members.some(({ here }) => here?.default) ? 1 : members.some(({ here }) => here !== undefined) ? 2 : 3;
  };
  return [...families]
    .sort((a, b) => rank(a) - rank(b) || a[0].localeCompare(b[0]))
    .map(([family, members]) => [
      family,
      members.sort(
        (a, b) =>
          Number(a.here === undefined) - Number(b.here === undefined) || a.facts.size_bytes - b.facts.size_bytes,
      ),
    ]);
}
