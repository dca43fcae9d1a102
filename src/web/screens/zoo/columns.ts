import { accuracyOf } from '../../model-words.ts';
import type { Session } from '../../session.ts';
import type { ZooModel } from './zoo-model.ts';

/** A column of the list, by which it can be sorted. */
export interface Column {
  readonly name: string;
  /** Whether its cells are numbers, at the end of their line. */
  readonly numeric: boolean;
  /** What it sorts by; undefined sorts last. */
  readonly key: (model: ZooModel, session: Session) => number | string | undefined;
  /** Whether the largest comes first at the first click. */
  readonly descending: boolean;
}

export const COLUMNS = [
  { name: 'Model', numeric: false, key: ({ facts }) => facts.title, descending: false },
  { name: 'Accuracy', numeric: true, key: ({ facts }) => accuracyOf(facts), descending: true },
  { name: 'Size', numeric: true, key: ({ facts }) => facts.size_bytes, descending: false },
  { name: 'Classes', numeric: true, key: ({ facts }) => facts.num_classes, descending: true },
  { name: 'Input', numeric: true, key: ({ facts }) => facts.input_size[1], descending: false },
  { name: 'Licence', numeric: false, key: ({ facts }) => facts.license, descending: false },
  {
    name: 'Speed here',
    numeric: true,
    key: ({ facts }, { speeds }) => speeds.get(facts.id)?.aloneMs,
    descending: false,
  },
] as const satisfies readonly Column[];

export type ColumnName = (typeof COLUMNS)[number]['name'];

/** By which column the list is sorted; undefined for families. */
export interface Sorting {
  readonly column: ColumnName;
  readonly descending: boolean;
}

/** The models in the order of a column. Those without a value come last, whatever the direction. */
export function sortedBy(models: readonly ZooModel[], { column, descending }: Sorting, session: Session): ZooModel[] {
  const key: Column['key'] = COLUMNS.find(({ name }) => name === column)?.key ?? (() => undefined);
  return models.toSorted((a, b) => {
    const [x, y] = [key(a, session), key(b, session)];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
    return descending ? -order : order;
  });
}
