import { h } from '../../dom.ts';

const ENCODINGS = [
  ['', 'Detect'],
  ['utf-8', 'UTF-8'],
  ['shift_jis', 'Japanese (Shift-JIS)'],
  ['euc-kr', 'Korean (EUC-KR)'],
  ['gbk', 'Chinese (GBK)'],
  ['big5', 'Chinese (Big5)'],
  ['windows-1251', 'Cyrillic (Windows-1251)'],
  ['koi8-r', 'Cyrillic (KOI8-R)'],
  ['cp866', 'Cyrillic (DOS, cp866)'],
  ['windows-1252', 'Western European (Windows-1252)'],
  ['cp850', 'Western European (DOS, cp850)'],
  ['cp437', 'US (DOS, cp437)'],
] as const;

/** The choice of the encoding of names and tables in a zip. @param chosen empty to detect it */
export function encodingChoice(chosen: string, onChoose: (encoding: string) => void): HTMLElement {
  const choice = h(
    'select',
    {},
    ENCODINGS.map(([value, text]) => h('option', { value, selected: value === chosen }, text)),
  );
  choice.addEventListener('change', () => onChoose(choice.value));
  return h('label', { class: 'row small' }, h('span', {}, 'Encoding of names'), choice);
}
