import type { TestReport } from '../../api/schema.ts';
import { h } from '../../dom.ts';
import { counted } from '../../format.ts';

/** Images of one class that were given the same answer, by the indices of both classes. */
export interface Cell {
  readonly label: number;
  readonly predicted: number;
  readonly images: number;
  /** Of the images of the class, 0..1. */
  readonly share: number;
}

export type OnCell = (cell: Cell) => void;

/** The cells with images. */
export function cellsOf({ confusion }: Pick<TestReport, 'confusion'>): readonly Cell[] {
  return confusion.flatMap((row, label) => {
    const total = row.reduce((sum, images) => sum + images, 0);
    return row.flatMap((images, predicted) =>
      images === 0 ? [] : [{ label, predicted, images, share: images / total }],
    );
  });
}

/** The wrong cells, those with the most images first. */
export function worstOf(cells: readonly Cell[]): readonly Cell[] {
  return cells
    .filter(({ label, predicted }) => label !== predicted)
    .toSorted((a, b) => b.images - a.images || b.share - a.share);
}

/** Buttons of a cell say which it is, so that all of them can be marked when it is chosen. */
export function keyOf({ label, predicted }: Cell): string {
  return `${label} ${predicted}`;
}

/** The number of a cell, which shows its images. @param words beside the number */
export function cellButton(cell: Cell, names: readonly string[], onCell: OnCell, words?: string): HTMLButtonElement {
  const { label, predicted, images, share } = cell;
  const name = `${counted(images, 'image')} of ${names[label]} classified as ${names[predicted]}`;
  // The name of a button has the text that is seen on it.
  const spoken = words === undefined ? name : `${words} ${images}: ${name}`;
  const right = label === predicted;
  const attributes = { type: 'button', class: `cell ${right ? 'right' : 'wrong'}`, '--strength': share };
  const marks = { 'data-cell': keyOf(cell), 'aria-pressed': 'false', 'aria-label': spoken, title: name };
  return h(
    'button',
    { ...attributes, ...marks, onclick: () => onCell(cell) },
    words && `${words} `,
    h('span', {}, images),
  );
}
