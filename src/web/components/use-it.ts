import { SERVER_URL } from '../api/address.ts';
import { addressOf } from '../api/client.ts';
import { type SentRequest, toCurl, toTypeScript } from '../api/request.ts';
import { fill, h } from '../dom.ts';
import { copyButton } from './copy-button.ts';
import { tabs } from './tabs.ts';
import { type Tta, viewsChoice } from './views-choice.ts';

export interface UseItOptions {
  /** The name that requests use, for example `flowers` or `flowers@2`. */
  readonly model: string;
  /** Whether requests need a key. */
  readonly keyed: boolean;
}

type Call = UseItOptions & { readonly tta: Tta };

const LANGUAGES: readonly (readonly [name: string, render: (call: Call) => string])[] = [
  ['curl', (call) => toCurl(requestOf(call), SERVER_URL)],
  ['TypeScript, fetch', (call) => toTypeScript(requestOf(call), SERVER_URL)],
  ['TypeScript, library', libraryCode],
  ['Python', pythonCode],
];

/** How a program classifies an image with a model, in several languages, to copy. */
export function useIt(options: UseItOptions): HTMLElement {
  const codes = LANGUAGES.map(() => h('code', {}));
  const draw = (tta: Tta): void =>
    LANGUAGES.forEach(([, render], index) => {
      const code = codes[index];
      if (code) fill(code, render({ ...options, tta }));
    });
  draw(undefined);
  const { bar, panels } = tabs(
    'Language',
    LANGUAGES.map(([name], index) => ({ name, panel: h('pre', { tabindex: 0 }, codes[index]) })),
  );
  const copy = copyButton(
    () => codes.find((code) => code.parentElement?.hidden === false)?.textContent ?? '',
    'Copy the code',
  );
  return h(
    'section',
    { class: 'panel block use-it', 'aria-labelledby': 'use-it' },
    h('h2', { id: 'use-it' }, 'Use it'),
    h('div', { class: 'row spread' }, bar, copy),
    panels,
    viewsChoice(draw),
  );
}

function requestOf({ model, keyed, tta }: Call): SentRequest {
  const path = addressOf('classify', { query: { model, tta } });
  return { method: 'POST', path, form: [{ name: 'image', value: new File([], 'photo.jpg') }], keyed };
}

function libraryCode({ model, tta }: Call): string {
  const options = [`model: '${model}'`, ...(tta === undefined ? [] : [`tta: '${tta}'`])].join(', ');
  return [
    "import { openZoo } from 'menagerie';",
    '',
    '// Loads the model in this program; dataDir is the DATA_DIR of the server.',
    "const zoo = await openZoo({ dataDir: './data' });",
    `const [answer] = await zoo.classify(['photo.jpg'], { ${options} });`,
    'console.log(answer?.predictions);',
    'await zoo.close();',
  ].join('\n');
}

function pythonCode({ model, keyed, tta }: Call): string {
  const params = [`"model": "${model}"`, ...(tta === undefined ? [] : [`"tta": "${tta}"`])].join(', ');
  return [
    ...(keyed ? ['import os', ''] : []),
    'import requests  # pip install requests',
    '',
    'with open("photo.jpg", "rb") as image:',
    '    answer = requests.post(',
    `        "${SERVER_URL}/classify",`,
    `        params={${params}},`,
    '        files={"image": image},',
    ...(keyed ? [`        headers={"Authorization": "Bearer " + os.environ["MENAGERIE_KEY"]},`] : []),
    '    )',
    'answer.raise_for_status()',
    'print(answer.json()["results"][0]["predictions"])',
  ].join('\n');
}
