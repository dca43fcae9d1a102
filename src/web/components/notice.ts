import { RequestError } from '../api/problem.ts';
import { type Child, h, icon } from '../dom.ts';

/** A button below the text. */
export interface NoticeAction {
  readonly label: string;
  readonly run: () => void;
}

/** Says that something failed, why, and what to do. Screen readers announce it. */
export function errorNotice(thrown: unknown, action?: NoticeAction): HTMLElement {
  const detail = sentence(thrown instanceof Error ? thrown.message : String(thrown));
  // "The request is not valid" tells nobody anything: the detail does.
  if (thrown instanceof RequestError && thrown.code === 'invalid_request')
    return notice('bad', detail, undefined, action);
  return notice('bad', thrown instanceof RequestError ? thrown.title : 'Something went wrong', detail, action);
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
      detail !== undefined && h('p', {}, detail),
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
