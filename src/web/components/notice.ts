import { RequestError } from '../api/problem.ts';
import { type Child, h, icon } from '../dom.ts';

/** A button below the text. */
export interface NoticeAction {
  readonly label: string;
  readonly run: () => void;
}

/** Says that something failed, why, and what to do. Screen readers announce it. */
export function errorNotice(thrown: unknown, action?: NoticeAction): HTMLElement {
  const [title, detail] =
    thrown instanceof RequestError
      ? [thrown.title, thrown.message]
      : ['Something went wrong', thrown instanceof Error ? thrown.message : String(thrown)];
  return notice('bad', title, sentence(detail), action);
}

export function notice(kind: 'bad' | 'caution', title: string, detail: Child, action?: NoticeAction): HTMLElement {
  return h(
    'div',
    { class: `notice ${kind}`, role: kind === 'bad' ? 'alert' : 'status' },
    icon('warning'),
    h(
      'div',
      {},
      h('strong', {}, title),
      h('p', {}, detail),
      action &&
        h(
          'div',
          { class: 'row' },
          h('button', { type: 'button', class: 'compact', onclick: action.run }, action.label),
        ),
    ),
  );
}

/** Turns a message of the server, which may be in lower case, into a sentence. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
