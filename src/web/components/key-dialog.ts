import { fill, h } from '../dom.ts';
import { openDialog } from './dialog.ts';
import { errorNotice } from './notice.ts';

/**
 * Asks the user for a key, until one is accepted or the dialog is closed.
 * @param accept sends the key to the server @returns whether a key was accepted
 */
export function askForKey(accept: (key: string) => Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    let accepted = false;
    const input = h('input', {
      type: 'password',
      name: 'key',
      required: true,
      autocomplete: 'off',
      spellcheck: 'false',
    });
    const failure = h('div');
    const form = h(
      'form',
      { class: 'block' },
      h(
        'p',
        {},
        'This server asks for a key. Whoever runs it makes one with ',
        h('code', {}, 'npx menagerie keys create'),
        '. It is kept until you close the browser.',
      ),
      h('label', { class: 'field' }, h('span', {}, 'Key'), input),
      failure,
      h('div', { class: 'row' }, h('button', { type: 'submit', class: 'primary' }, 'Use this key')),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      accept(input.value.trim()).then(
        () => {
          accepted = true;
          dialog.close();
        },
        (thrown: unknown) => fill(failure, errorNotice(thrown)),
      );
    });
    const dialog = openDialog('Key', form, () => resolve(accepted));
    input.focus();
  });
}
