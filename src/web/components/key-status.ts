import type { Session } from '../api/schema.ts';
import { type Child, h } from '../dom.ts';

/** What the user can do about keys. */
export interface KeyActions {
  readonly ask: () => void;
  readonly forget: () => void;
}

/** Says which key is in use, with buttons to change it; nothing where no key is needed. */
export function keyStatus({ key, scope, client }: Session, { ask, forget }: KeyActions): Child {
  const button = (label: string, onclick: () => void) =>
    h('button', { type: 'button', class: 'quiet compact', onclick }, label);
  if (key !== null) {
    return [
      h('span', {}, `Key “${key.name}” (${scope})`),
      button('Use another key', ask),
      button('Forget the key', forget),
    ];
  }
  return client === 'anonymous' && scope !== 'admin' && button('Use a key', ask);
}
