import { describe, expect, test } from 'vitest';
import { toCurl, toTypeScript } from '../../../src/web/api/request.ts';

const ORIGIN = 'http://127.0.0.1:8080';
const file = (name: string) => new File([], name);

describe('a request as curl', () => {
  test.each([
    [{ method: 'GET', path: '/models' }, `curl ${ORIGIN}/models`],
    [{ method: 'DELETE', path: '/jobs/1' }, `curl -X DELETE ${ORIGIN}/jobs/1`],
    [
      { method: 'POST', path: '/classify?top_k=5', form: [{ name: 'image', value: file('a.jpg') }] },
      `curl -F image=@a.jpg '${ORIGIN}/classify?top_k=5'`,
    ],
    [
      { method: 'PUT', path: '/models/flowers/aliases/production', json: { version: 1 } },
      `curl -X PUT -H 'content-type: application/json' -d '{"version":1}' ${ORIGIN}/models/flowers/aliases/production`,
    ],
    [{ method: 'GET', path: '/models/a/export?format=onnx' }, `curl -OJ '${ORIGIN}/models/a/export?format=onnx'`],
  ])('%j', (request, command) => {
    expect(toCurl(request, ORIGIN)).toBe(command);
  });

  test('quotes what a shell or curl would read otherwise', () => {
    const form = [{ name: 'image', value: file('it\'s; "odd" $(x).jpg') }];
    expect(toCurl({ method: 'POST', path: '/classify', form }, ORIGIN)).toBe(
      `curl -F 'image=@"it'\\''s; \\"odd\\" $(x).jpg"' ${ORIGIN}/classify`,
    );
  });
});

describe('a request as TypeScript', () => {
  test('opens files, and asks for JSON', () => {
    const form = [{ name: 'image', value: file("it's.jpg") }];
    expect(toTypeScript({ method: 'POST', path: '/classify', form }, ORIGIN)).toBe(
      [
        "import { openAsBlob } from 'node:fs';",
        '',
        'const form = new FormData();',
        "form.append('image', await openAsBlob('it\\'s.jpg'), 'it\\'s.jpg');",
        '',
        `const response = await fetch('${ORIGIN}/classify', { method: 'POST', body: form });`,
        'if (!response.ok) throw new Error((await response.json()).detail);',
        'console.log(await response.json());',
      ].join('\n'),
    );
  });

  test('sends JSON', () => {
    const code = toTypeScript({ method: 'PUT', path: '/models/a/aliases/b', json: { version: 2 } }, ORIGIN);
    expect(code).toContain(`body: JSON.stringify({"version":2})`);
  });
});

test('a request that needs a key has its place, and never the key', () => {
  const request = { method: 'GET', path: '/models', keyed: true };
  expect(toCurl(request, ORIGIN)).toContain('-H "Authorization: Bearer $MENAGERIE_KEY"');
  expect(toTypeScript(request, ORIGIN)).toContain("authorization: 'Bearer ' + process.env.MENAGERIE_KEY");
});
